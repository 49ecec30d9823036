// The messages before those that the page shows: reading them, and putting them above.

import { fetchPart, parse } from "./http.js";
import { adopt, keyOf } from "./morph.js";

const MOST_PAGES_BACK = 100; // large pages, in search of a message

// It may have begun before the messages that were loaded.
const beganAbove = (element) => /^(day|ticket)-/.test(keyOf(element));

/** Return the element at the top of the column that says where older messages begin, if there are any. */
export const olderMarker = (column) => column.querySelector(".older[data-older]");

/**
 * Load the messages before the cursor: one page, or large pages up to the element with the id `wanted`. Stops when
 * `isOpen` says that another conversation is shown.
 */
export async function readOlder(address, cursor, wanted, isOpen) {
  let found = [];
  for (let pages = 0; cursor && pages < MOST_PAGES_BACK; pages++) {
    const response = await fetchPart(`${address}?before=${encodeURIComponent(cursor)}${wanted ? "&many=1" : ""}`);
    if (!isOpen() || !response.ok) break;
    const fresh = [...parse(await response.text()).body.children];
    if (!isOpen()) break;
    const keys = new Set(fresh.map(keyOf));
    const rest = found.filter((one) => !one.matches(".older") && !(beganAbove(one) && keys.has(keyOf(one))));
    found = [...fresh, ...rest];
    cursor = fresh.find((one) => one.matches(".older[data-older]"))?.dataset.older;
    if (!wanted || fresh.some((one) => one.id === wanted || one.querySelector(`[id="${wanted}"]`))) break;
  }
  return found;
}

/** Put `fresh` in the place of the marker, and remove what it says again. */
export function putAbove(column, marker, fresh) {
  const keys = new Set(fresh.map(keyOf));
  for (const element of [...column.children]) {
    if (beganAbove(element) && keys.has(keyOf(element))) element.remove();
  }
  marker.replaceWith(...fresh.map(adopt));
}
