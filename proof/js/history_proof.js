// Verifies history proofs: all versions of a document between two heights.

import { parse } from "./canonical.js";
import { hasExactly, isCount } from "./form.js";
import { HISTORY_BYTES_MAX, HISTORY_DEPTH_MAX, HISTORY_VERSIONS_MAX } from "./limits.js";
import { checkRecord, checkValue, describeVersion, recordHash } from "./record.js";
import { demand } from "./refusal.js";
import { verifyParsedState } from "./state_proof.js";

/**
 * `{kind: "history", ...state, from, to, versions}`, where `versions`, oldest first, is complete for the heights
 * `from` to `to`. These two are the file's: compare them with what was asked for.
 */
export async function verifyHistory(trust, file, collection, id) {
  const proof = parse(file, { bytes: HISTORY_BYTES_MAX, nesting: HISTORY_DEPTH_MAX });
  checkForm(proof);
  const { earlier, from, to } = proof;
  const state = await verifyParsedState(trust, proof.state, collection, id);
  demand(state.height >= to, "history", `the seal is of height ${state.height}, below ${to}`);
  const entries = proof.state.record ? [proof.state, ...earlier] : [];
  demand(entries.length > 0 || earlier.length === 0, "history", "versions before one that does not exist");
  for (let i = 1; i < entries.length; i++) await checkStep(entries[i - 1].record, entries[i], from);
  const last = entries.at(-1)?.record;
  demand(!last || isEnd(last, from), "history", `the versions before version ${last?.version} are missing`);
  const versions = [];
  for (const { record, value } of entries) {
    if (from <= record.height && record.height <= to) versions.unshift(await describeVersion(record, value));
  }
  return { ...state, kind: "history", from, to, versions };
}

function checkForm(proof) {
  const formed = hasExactly(proof, "earlier from kind state to v") && proof.kind === "history-proof" && proof.v === 1;
  demand(formed, "file", "not a history proof");
  const { earlier, from, to } = proof;
  demand(Array.isArray(earlier) && isCount(from) && isCount(to), "file", "a malformed history proof");
  demand(earlier.length <= HISTORY_VERSIONS_MAX, "file", `more than ${HISTORY_VERSIONS_MAX} earlier versions`);
  demand(from <= to, "history", `a history from height ${from} to ${to}`);
  for (const entry of earlier) {
    demand(hasExactly(entry, "record salt value"), "file", "a malformed version");
    checkRecord(entry.record);
  }
}

/** Checks that `entry` is the version before `after`, and that it belongs in the proof. */
async function checkStep(after, { record, salt, value }, from) {
  demand(!isEnd(after, from), "history", `nothing is to be shown before version ${after.version}`);
  demand(
    (await recordHash(record)) === after.previous,
    "history",
    `this is not the version before version ${after.version}`,
  );
  const same = record.collection === after.collection && record.id === after.id;
  demand(same && record.version === after.version - 1, "history", `version ${after.version} follows no such version`);
  demand(record.height <= after.height, "history", `version ${record.version} is later than the one after it`);
  await checkValue(record, value, salt, "history");
}

function isEnd(record, from) {
  return record.height < from || record.previous === null;
}
