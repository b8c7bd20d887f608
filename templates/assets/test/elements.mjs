// A document for the tests of screens in Node, which has none. It knows what
// dom.js uses of one; a browser's own is left as it is.

import "./harness.mjs"; // first: it tells Node from a page by the window

class Element {
  constructor(tag) {
    Object.assign(this, { nodeType: 1, tagName: tag.toUpperCase(), childNodes: [], attributes: {} });
  }

  setAttribute(name, value) {
    this.attributes[name] = String(value);
  }

  getAttribute(name) {
    return name in this.attributes ? this.attributes[name] : null;
  }

  appendChild(child) {
    this.childNodes.push(child);
    return child;
  }

  get textContent() {
    return this.childNodes.map((child) => child.textContent).join("");
  }
}

if (typeof document === "undefined") {
  globalThis.document = {
    createElement: (tag) => new Element(tag),
    createElementNS: (_, tag) => new Element(tag),
    createTextNode: (text) => ({ nodeType: 3, childNodes: [], textContent: text }),
  };
  globalThis.window = {};
}

/** all returns the elements of a tag in a list of nodes, from the outside in. */
export const all = (nodes, tag) => Array.from(nodes).filter((n) => n && n.nodeType === 1).reduce(
  (found, n) => found.concat(n.tagName === tag.toUpperCase() ? n : [], all(n.childNodes, tag)), [],
);

/** text is what a list of nodes says. */
export const text = (nodes) => nodes.filter(Boolean).map((n) => n.textContent).join("\n");
