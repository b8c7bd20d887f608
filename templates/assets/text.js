// What a text is (SPEC.md section 2): the rule by which manifests and the
// sentences of services are read.

const space = /^[ \u00a0\u3000]|[ \u00a0\u3000]$/;

// bytesOf counts the bytes of a text in UTF-8.
const bytesOf = (s) => new TextEncoder().encode(s).length;

/**
 * isInvisible tells whether a code point is refused in texts: controls, marks of
 * direction, spaces of no width, noncharacters, halves of surrogate pairs. With
 * them two texts look alike and are not the same.
 */
export function isInvisible(c) {
  return (
    c < 0x20 || (c >= 0x7f && c < 0xa0) || c === 0xad || c === 0x61c || c === 0x180e ||
    (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) ||
    c === 0xfeff || (c >= 0xfff9 && c <= 0xfffd) || (c >= 0xfdd0 && c <= 0xfdef) ||
    (c & 0xfffe) === 0xfffe || (c >= 0xd800 && c <= 0xdfff)
  );
}

/** isVisible tells whether no character of a text is refused. */
export function isVisible(s) {
  for (const c of s) {
    if (isInvisible(c.codePointAt(0))) {
      return false;
    }
  }
  return true;
}

/** isText tells whether s is a text of 1 to max bytes. */
export const isText = (s, max) => s !== "" && isTextOrEmpty(s, max);

/** isTextOrEmpty is isText with the empty text allowed. */
export const isTextOrEmpty = (s, max) => typeof s === "string" && bytesOf(s) <= max && !space.test(s) && isVisible(s);

/**
 * wellFormed takes halves of surrogate pairs out of what somebody typed, which a
 * keyboard may leave behind and which have no bytes that could be sealed.
 */
export const wellFormed = (s) => s.replace(/[\ud800-\udfff]/gu, "");
