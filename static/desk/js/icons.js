// Icons of the sprite that the page names, for elements that scripts make.

/** Return an icon, hidden from screen readers: the button or text around it has the words. */
export function icon(name) {
  const some = document.querySelector("svg.icon use").getAttribute("href").split("#")[0];
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${some}#${name}`);
  svg.append(use);
  return svg;
}
