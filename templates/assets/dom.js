// Elements for pages that may not write markup: the page's policy allows no
// innerHTML, so that no word of a manifest or of a service can become script.

// el makes an element. props are properties of the element where it has them
// (id, className, onclick …) and attributes otherwise; false, null and undefined
// leave one out. Children are elements, texts, and lists of these.
export function el(tag, props, ...children) {
  const element = document.createElement(tag);
  for (const name in props || {}) {
    const value = props[name];
    if (value === false || value === null || value === undefined) continue;
    if (name in element && !/^(aria|data|list|form|type)/.test(name)) element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  add(element, children);
  return element;
}

// add appends elements, texts and lists of these.
export function add(parent, child) {
  if (Array.isArray(child)) child.forEach((c) => add(parent, c));
  else if (child && child.nodeType) parent.appendChild(child);
  else if (child || child === 0) parent.appendChild(document.createTextNode(String(child)));
}

// empty removes what an element holds, and puts the children in its place.
export function fill(element, ...children) {
  while (element.firstChild) element.removeChild(element.firstChild);
  add(element, children);
}

const svgNamespace = "http://www.w3.org/2000/svg";

// picture draws rows of 0 and 1 as black squares on white, with a margin of four.
// Its size is in attributes: the policy allows no style of an element's own.
export function picture(rows, size, label) {
  const width = rows.length + 8;
  const svg = document.createElementNS(svgNamespace, "svg");
  const set = (node, attributes) => Object.keys(attributes).forEach((name) => node.setAttribute(name, attributes[name]));
  set(svg, { width: size, height: size, viewBox: `0 0 ${width} ${width}`, role: "img", "aria-label": label, "shape-rendering": "crispEdges" });
  let d = "";
  rows.forEach((row, y) => row.forEach((dark, x) => { if (dark) d += `M${x + 4} ${y + 4}h1v1h-1z`; }));
  const path = document.createElementNS(svgNamespace, "path");
  set(path, { d, fill: "#000" });
  svg.appendChild(path);
  return svg;
}

// download gives the reader a file that was made here; nothing is fetched.
export function download(name, type, content) {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const a = el("a", { href: url, download: name, hidden: true });
  document.body.appendChild(a);
  a.click();
  document.body.removeChild(a);
  // Not at once: some browsers read it only after the press is over.
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}
