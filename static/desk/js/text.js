// Text as the server counts it (tickets/rules/sending.py): Unicode code points, LF, no blanks around.

export function weigh(words) {
  return [...words.replace(/\r\n?/g, "\n").trim()].length;
}

/** Split into parts of at most `limit` code points: between paragraphs, else sentences, else words, else anywhere. */
export function split(words, limit) {
  const parts = [];
  let rest = [...words.replace(/\r\n?/g, "\n").trim()];
  while (rest.length > limit) {
    const head = rest.slice(0, limit + 1).join("");
    const half = head.length / 2;
    const cut = [/\n\s*\n(?![\s\S]*\n\s*\n)/, /[.!?…]\s(?![\s\S]*[.!?…]\s)/, /\s(?!\S*\s)(?=\S*$)/]
      .map((edge) => head.match(edge))
      .map((found) => (found ? found.index + (/[.!?…]/.test(found[0]) ? 1 : 0) : -1))
      .find((index) => index > half);
    const taken = cut === undefined ? limit : [...head.slice(0, cut)].length;
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
