// Text as the server counts it (tickets/rules/sending.py): Unicode code points, LF, no blanks around.

export function weigh(words) {
  return [...words.replace(/\r\n?/g, "\n").trim()].length;
}

const clusters = Intl.Segmenter ? new Intl.Segmenter(undefined, { granularity: "grapheme" }) : null;

/** Return how many of the code points fit into `limit` without cutting what a person sees as one character. */
function fitting(points, limit) {
  if (!clusters || points.length <= limit) return Math.min(points.length, limit);
  let fits = 0;
  for (const { segment } of clusters.segment(points.slice(0, limit + 1).join(""))) {
    const length = [...segment].length;
    if (fits + length > limit) break;
    fits += length;
  }
  return fits || limit;
}

/** Return the text, or its beginning and an ellipsis, at most `limit` code points. */
export function cut(words, limit) {
  const points = [...words];
  return points.length <= limit ? words : `${points.slice(0, fitting(points, limit - 1)).join("")}…`;
}

/**
 * Split into parts of at most `limit` code points: between paragraphs, else sentences, else words, else characters as a
 * person sees them.
 */
export function split(words, limit) {
  const parts = [];
  let rest = [...words.replace(/\r\n?/g, "\n").trim()];
  while (rest.length > limit) {
    const head = rest.slice(0, limit + 1).join("");
    const half = head.length / 2;
    const edge = [/\n\s*\n(?![\s\S]*\n\s*\n)/, /[.!?…]\s(?![\s\S]*[.!?…]\s)/, /\s(?!\S*\s)(?=\S*$)/]
      .map((place) => head.match(place))
      .map((found) => (found ? found.index + (/[.!?…]/.test(found[0]) ? 1 : 0) : -1))
      .find((index) => index > half);
    const taken = edge === undefined ? fitting(rest, limit) : [...head.slice(0, edge)].length;
    parts.push(rest.slice(0, taken).join("").trim());
    rest = [...rest.slice(taken).join("").trim()];
  }
  if (rest.length) parts.push(rest.join(""));
  return parts;
}

/** Join the text that was not sent and the text typed meanwhile; `rest` is what stayed in the field. */
export function joined(before, now, rest) {
  const added = now.startsWith(rest) ? now.slice(rest.length) : now;
  return before + added;
}

/** Return the text typed while a message was being sent; all of it if the earlier text was changed. */
export function typedSince(before, now) {
  return now.startsWith(before) ? now.slice(before.length).trimStart() : now;
}
