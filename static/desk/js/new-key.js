// Keys that the server has not seen before.

/** Return a random key of 32 hexadecimal digits. */
export const newKey = () =>
  [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
