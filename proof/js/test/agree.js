// Judges every case of a file as `countersign-verify` did, and tells where the two differ: `node agree.js CASES`.
//
// A case is one line of JSON: the words of the command line, and the exit code and the JSON that the other verifier gave.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mock } from "node:test";
import { encode } from "../canonical.js";
import { UsageError, exitCode, judge } from "../command.js";
import { plainHash } from "../hash.js";
import { Refusal } from "../verify.js";
import { rememberSignatures } from "./remember.js";

rememberSignatures({ mock });

const cases = readFileSync(process.argv[2], "utf8").trimEnd().split("\n").map((line) => JSON.parse(line));
const codes = new Map();
const differing = [];
for (const { words, code, said } of cases) {
  codes.set(code, (codes.get(code) ?? 0) + 1);
  const own = await answer(words);
  const same = own.code === code && (code === 2 || code === 11 || isSame(own.claims, await claimsOf(said)));
  if (!same) differing.push({ words: words.join(" "), code, said, own });
}
assert.ok(cases.length > 0);
for (const { words, code, said, own } of differing.slice(0, Number(process.env.COUNTERSIGN_SHOW ?? 5))) {
  console.log(`${words}\n  ${code} ${JSON.stringify(said)}\n  ${own.code} ${own.reason ?? JSON.stringify(own.claims)}`);
}
const counts = [...codes].sort().map(([code, count]) => `${count} ended with ${code}`);
console.log(`${cases.length} cases, ${counts.join(", ")}; on ${differing.length} the verifiers differ`);
process.exitCode = differing.length > 0 ? 1 : 0;

async function answer(words) {
  try {
    const { result } = await judge(words);
    return { code: exitCode(result), claims: ownClaims(result) };
  } catch (error) {
    if (!(error instanceof Refusal || error instanceof UsageError)) throw error;
    return { code: exitCode(error), reason: `${error.check ?? "usage"}: ${error.message}` };
  }
}

function isSame(one, other) {
  try {
    assert.deepStrictEqual(one, other);
    return true;
  } catch {
    return false;
  }
}

// Both in the same words: what is certified, by whom, and what of it is proved.

function ownClaims(result) {
  if (result.kind === "evidence") return { what: result.what, accused: named(result.accused) };
  if (result.kind === "trust") return { epochs: result.epochs.map(({ after, members }) => ({ after, members })) };
  const certificate = result.kind === "consistency" ? result.new : result;
  const claims = { size: certificate.size, root: certificate.root, epochs: certificate.epochs };
  claims.signers = certificate.cosignatures
    .map(({ organisation, node, time }) => [node === null ? organisation : `${organisation}/${node}`, time])
    .sort();
  if (result.kind === "consistency") Object.assign(claims, { old: [result.old.size, result.old.root] });
  if (result.kind === "receipt") Object.assign(claims, { index: result.index, leaf: result.leaf });
  const version = ({ version, height, transaction, value }) => ({ version, height, transaction, value });
  if (result.kind === "state")
    Object.assign(claims, { height: result.height, answer: result.answer, newest: result.newest && version(result.newest) });
  if (result.kind === "history") Object.assign(claims, { height: result.height, versions: result.versions.map(version) });
  return claims;
}

async function claimsOf(said) {
  if (said.what) {
    const accused = said.accused.map(({ node }) => ({ organisation: node.split("/")[0], node: node.split("/")[1] }));
    return { what: said.what, accused: named(accused) };
  }
  if (said.epochs) {
    const epoch = async ({ after, members }) => ({ after, members: await plainHash(encode(members)) });
    return { epochs: await Promise.all(said.epochs.map(epoch)) };
  }
  const claims = { size: said.tree_size, root: said.root, epochs: said.counts.map(({ epoch }) => epoch) };
  claims.signers = Object.values(said.signers).flatMap(Object.entries).sort();
  if (said.old_root) Object.assign(claims, { old: [said.old_size, said.old_root] });
  if (said.leaf) Object.assign(claims, { index: said.index, leaf: said.leaf });
  const version = ({ record, value }) => {
    const { version, height, transaction } = record;
    return { version, height, transaction, value: value ?? null };
  };
  if (said.answer) {
    const { answer } = said.answer;
    Object.assign(claims, { height: said.height, answer, newest: answer === "absent" ? null : version(said.answer) });
  }
  if (said.versions) Object.assign(claims, { height: said.height, versions: said.versions.map(version) });
  return claims;
}

function named(accused) {
  return [...new Set(accused.map(({ organisation, node }) => `${organisation}/${node}`))].sort();
}
