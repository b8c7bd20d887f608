// The entries of the two logs that a voter's page must know: the manifest's,
// which is the first of both, and a ballot's. Part of the twin of
// internal/protocol/ledger; the bytes are those of SPEC.md, section 9.
//
// What a ballot says is none of its business: a ballot entry is bytes to it.

import { concat, u8 } from "./suite.js";

const typeManifest = 0x00;
const typeBallot = 0x01;
const maxEntry = 65535;

/** manifestEntry returns entry 0 of both logs. */
export const manifestEntry = (mid) => concat(u8(typeManifest), mid);

/** ballotEntry returns the entry of body || sig. */
export const ballotEntry = (cast) => concat(u8(typeBallot), cast);

/** parseBallotEntry returns the body || sig of a ballot's entry, and throws on another one. */
export function parseBallotEntry(entry) {
  if (entry.length < 2 || entry.length > maxEntry || entry[0] !== typeBallot) {
    throw new Error("not a ballot's entry");
  }
  return entry.slice(1);
}
