// Players: what this browser cannot play becomes a card to download, and what plays goes on when its message is drawn anew.

const PLAYERS = "video.video, audio.audio";

/** Show the card behind a player that failed (AMR, MPEG video …: which ones, each browser says for itself). */
function check(player) {
  if (!player.error) return;
  player.hidden = true;
  player.nextElementSibling.hidden = false;
}

/** Move the players of `old` into `fresh`, which is about to take its place: within one task they go on playing. */
export function carryOver(old, fresh) {
  for (const player of old.querySelectorAll(PLAYERS)) {
    fresh.querySelector(`[src="${player.getAttribute("src")}"]`)?.replaceWith(player);
  }
}

/** To be called when `root` has come into the page: a player may have failed before. */
export function checkAll(root) {
  for (const player of root.querySelectorAll(PLAYERS)) check(player);
}

export function start() {
  document.addEventListener("error", (event) => event.target.matches?.(PLAYERS) && check(event.target), {
    capture: true,
  });
  checkAll(document);
}
