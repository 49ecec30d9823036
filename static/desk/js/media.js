// Players: a file this browser cannot play becomes a download card; playback goes on when its message is replaced.

const PLAYERS = "video.video, audio.audio";

/** Show the card behind a player that failed. Which formats fail depends on the browser (AMR, MPEG video …). */
function check(player) {
  if (!player.error) return;
  player.hidden = true;
  player.nextElementSibling.hidden = false;
}

/** Move the players of `old` into `fresh`, which replaces it: moved within one task, they go on playing. */
export function carryOver(old, fresh) {
  for (const player of old.querySelectorAll(PLAYERS)) {
    fresh.querySelector(`[src="${player.getAttribute("src")}"]`)?.replaceWith(player);
  }
}

/** Check the players of `root`, which was just inserted: one may have failed before. */
export function checkAll(root) {
  for (const player of root.querySelectorAll(PLAYERS)) check(player);
}

export function start() {
  document.addEventListener("error", (event) => event.target.matches?.(PLAYERS) && check(event.target), {
    capture: true,
  });
  checkAll(document);
}
