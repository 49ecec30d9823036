// The agent's choices that this browser remembers.

export function remember(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // private windows may have no storage: the choice then lasts as long as the page
  }
}

export function recall(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}
