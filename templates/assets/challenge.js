// The test of a device, for who checks it elsewhere: what a device showed when it
// opened a ballot is sealed again here, and must give the tracker that was written
// down before. A device that does not know which ballots are tested cannot seal
// another choice than it shows without being found out. SPEC.md, section 6.
//
// It knows the choice and the code of a ballot that is given up, and never those of
// one that may be cast. It sends nothing.

import { parseRecoveryCode, seal } from "./ballot.js";
import { match, parseTracker, tracker as trackerOf } from "./receipt.js";
import { hex } from "./suite.js";
import { isVisible } from "./text.js";

/**
 * file returns a test, see Device.test, as "strikevote vote -check" reads it, byte for
 * byte what "vote -test" prints; or null for own words that no such file can hold, such
 * as some of two lines.
 */
export function file({ id, code, typed, body }) {
  return isVisible(typed) ? JSON.stringify({ ballot_id: id, code, typed, body: hex(body) }) + "\n" : null;
}

/**
 * repeat seals what a device showed and gives {same, tracker}: whether it gives the
 * tracker that was shown before, and the one that it gives. It fails on a tracker or
 * a code that is none, and on words that are too long.
 */
export async function repeat(context, { tracker, code, typed, choices }) {
  const prefix = parseTracker(tracker);
  const sealed = await seal(context, parseRecoveryCode(code), typed, choices);
  sealed.wipe();
  return { same: match(sealed.id, prefix), tracker: trackerOf(sealed.id) };
}
