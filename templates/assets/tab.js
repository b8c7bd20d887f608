// What this tab remembers until it is closed, so that a reload does not lose the
// place: the link or code, and the answers until Cast is pressed. On a shared
// computer nothing, and after casting no answer.

const key = "strikevote";

/** recall returns what was remembered, or an empty object. */
export function recall() {
  try {
    return JSON.parse(sessionStorage.getItem(key)) || {};
  } catch (_) {
    return {};
  }
}

/** remember replaces what is remembered; an empty object erases it. */
export function remember(what) {
  try {
    if (Object.keys(what).length) {
      sessionStorage.setItem(key, JSON.stringify(what));
    } else {
      sessionStorage.removeItem(key);
    }
  } catch (_) {
    // Then a reload starts anew, from the link.
  }
}
