// Checks that a ballot is in the box, by what the board answers to a tracker. It
// believes the board nothing: the manifest is the one that the page was told of by
// its hash, the entry is a ballot whose id begins as the tracker says, and the proof
// leads from the entry to a state of the box that the manifest's witnesses confirmed.
//
// It knows a tracker and no choice. The formats are those of SPEC.md, sections 6, 8
// and 9.

import { ballotsPolicy, mid, options, parseManifest } from "./election.js";
import { parseBallotEntry } from "./ledger.js";
import { match } from "./receipt.js";
import { H, hex } from "./suite.js";
import { checkProof, leafHash, parseProof } from "./tlog.js";

const signature = 384;

/** open reads the manifest and fails unless it is the one with that hash, in hex. */
export async function open(manifest, wanted) {
  if (hex(await mid(manifest)) !== wanted) {
    throw new Error("the manifest is another one");
  }
  return parseManifest(manifest);
}

/**
 * inBox fails unless a proof shows that a ballot is in the box whose id begins with
 * a tracker's bits. The proof holds the ballot's entry as its extra. It gives
 * {index, size, moment}.
 */
export async function inBox(manifest, prefix, text) {
  const proof = parseProof(text);
  const cast = parseBallotEntry(proof.extra);
  const body = 68 + options(manifest).reduce((n, k) => n + 65 + 128 * k, 0);
  if (cast.length !== body + signature) {
    throw new Error("the entry is no ballot of this election");
  }
  if (!match(await H("ballot-id", cast.slice(0, body)), prefix)) {
    throw new Error("the entry is another ballot");
  }
  return checkProof(await ballotsPolicy(manifest), proof, await leafHash(proof.extra));
}
