// What the voter's page uses of the library, and no more: groups, hashes, and
// keys derived by them. Signing, other curves and other hashes stay out.
import { ristretto255 } from "@noble/curves/ed25519.js";

export { ristretto255 };
export { sha256, sha384, sha512 } from "@noble/hashes/sha2.js";
export { expand, extract } from "@noble/hashes/hkdf.js";

// The curve of Ed25519, which lies below ristretto255. The library's own name
// for it would bring its signing along, and its rule of verification, which is
// another than ours.
export const edwards = /* @__PURE__ */ (() => ristretto255.Point.BASE.ep.constructor)();
