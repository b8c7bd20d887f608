// Fetches an election and makes sure that it is the one: the first part of the
// twin of internal/voter.
//
// Without this a voter could be shown a manifest of their own, with an issuer's
// key or a tellers' key that nobody else has, and be known by it (THREATS.md).

import { isClose, ledgerPolicy, mid, parseManifest } from "./election.js";
import { Failure } from "./failure.js";
import { Client, nonsense } from "./http.js";
import { manifestEntry } from "./ledger.js";
import { equal } from "./suite.js";
import { leafHash, openCheckpoint } from "./tlog.js";

const maxManifest = 8 << 20;
const maxNote = 65536;
const brief = 3000; // ms that a voter waits to be told when voting closes

/** phases are those of a vote. */
export const phases = ["sealed", "open", "closed", "locked", "tallied", "certified", "cancelled"];

const other = () => new Failure("other-election");

/**
 * openElection fetches an election's manifest from the booth, and throws
 * "other-election" unless it has the hash wanted, null for any, is of that id and
 * names this page's origin as its booth. It returns {manifest, mid, http,
 * witnessed, stands}.
 */
export async function openElection(env, id, wanted) {
  if (!/^[0-9a-f]{32}$/.test(id)) {
    throw new Failure("bad-link");
  }
  const http = new Client(env);
  const at = { service: "booth", url: `${env.booth}/v1/${id}/manifest` };
  const bytes = await http.get(at, { limit: maxManifest }).catch((e) => {
    // A link with a wrong sign in it, or of a vote whose data is deleted.
    throw e.details && e.details.error === "unknown_election" ? new Failure("unknown-link", e.details) : e;
  });
  const got = await mid(bytes);
  if (wanted && !equal(got, wanted)) {
    // What has not the ends of a manifest was cut off, or somebody's page stands before
    // the booth; that is no reason to fear another vote.
    throw bytes[0] === 123 && bytes[bytes.length - 1] === 10 ? other() : nonsense(at);
  }
  let manifest;
  try {
    manifest = await parseManifest(bytes);
  } catch (_) {
    throw other();
  }
  // Another page than the one that the committee named may be anybody's.
  if (manifest.election_id !== id || manifest.origins.booth !== env.booth) {
    throw other();
  }
  return { manifest, mid: got, http, stands: () => stands(http, manifest), witnessed: once((onWait) => checkWitnessed(http, manifest, got, onWait)) };
}

// stands says where the vote stands: {phase, close}, null where nobody says. The
// manifest knows of no extension and no early close. The booth tells with the manifest
// that a vote is open, which saves a slow network one request. It is true for now only, so
// any other time, and before a voter is turned away, the registrar is asked. Nothing of a
// member is sent, and a close that the manifest does not allow is none.
async function stands(http, manifest) {
  const told = standing(manifest, http.told);
  http.told = null;
  if (told && told.phase === "open" && 1000 * told.close > http.now() - http.skew) {
    return told;
  }
  const url = `${manifest.origins.registrar}/v1/${manifest.election_id}/phase`;
  const { answer } = await http.once({ service: "registrar", url }, { method: "GET" }, maxNote, http.now() + brief);
  return standing(manifest, new TextDecoder().decode(answer));
}

function standing(manifest, text) {
  try {
    const { phase, close } = JSON.parse(text);
    return phases.includes(phase) && isClose(manifest, close) ? { phase, close } : null;
  } catch (_) {
    return null;
  }
}

// once remembers a success. A failure may be the network's and is tried again.
function once(ask) {
  let done = false;
  return async (onWait) => {
    if (!done) {
      await ask(onWait);
      done = true;
    }
  };
}

// checkWitnessed checks that the first entry of the ledger, as the witnesses
// cosigned it, is this manifest.
async function checkWitnessed(http, manifest, id, onWait) {
  const url = `${manifest.origins.board}/${manifest.election_id}/ledger/checkpoint-1`;
  const note = await http.get({ service: "board", url }, { limit: maxNote, onWait });
  let c = null;
  try {
    c = await openCheckpoint(await ledgerPolicy(manifest), note);
  } catch (_) {
    // Not a checkpoint that enough witnesses have signed.
  }
  // The root of a tree of one leaf is the leaf's hash.
  if (!c || c.size !== 1 || !equal(c.root, await leafHash(manifestEntry(id)))) {
    throw new Failure("not-witnessed");
  }
}
