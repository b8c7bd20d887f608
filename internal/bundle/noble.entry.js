// What the voter's page uses of the library, and no more: two groups. Hashes are
// the browser's own, so the library's stay out, with signing and other curves.
import { ristretto255 } from "@noble/curves/ed25519.js";

export { ristretto255 };

// The curve of Ed25519, which lies below ristretto255. The library's own name
// for it would bring its signing along, and its rule of verification, which is
// another than ours.
export const edwards = /* @__PURE__ */ (() => ristretto255.Point.BASE.ep.constructor)();
