// The texts of scripts in the language of the page. Where it is not English, Django's JavaScriptCatalog is loaded before.

/** Return the text in the language of the page. */
export const gettext = (text) => (globalThis.django?.gettext ?? String)(text);

/** Return the text in the language of the page, where the English has another meaning elsewhere. */
export const pgettext = (context, text) => globalThis.django?.pgettext?.(context, text) ?? text;

/** Return the singular or plural for a number. */
export const ngettext = (one, many, number) =>
  globalThis.django?.ngettext ? globalThis.django.ngettext(one, many, number) : number === 1 ? one : many;

/** Return the text with `%(name)s` replaced by the values. */
export const interpolate = (text, values) => text.replace(/%\((\w+)\)s/g, (_whole, name) => String(values[name]));

/** Return the parts of the text: strings, and in the place of each `%(name)s` its value, which may be an element. */
export const pieces = (text, values) =>
  text
    .split(/%\((\w+)\)s/)
    .map((part, index) => (index % 2 ? values[part] : part))
    .filter((part) => part !== "");

/** 1, or -1 where the page is read from right to left: the arrow keys and the pointer go the way of reading. */
export const forward = document.documentElement.dir === "rtl" ? -1 : 1;

/** The language of the page for dates and numbers, with the digits 0 to 9 as everywhere in Desk. */
export const locale = `${document.documentElement.lang || "en"}-u-nu-latn`;

/** Return a number as the language of the page writes it; the options are those of Intl.NumberFormat. */
export const number = (value, options = {}) => value.toLocaleString(locale, options);
