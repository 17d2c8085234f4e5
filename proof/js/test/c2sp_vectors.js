// Tests the borrowed formats against the golden vectors of c2sp.json.

import assert from "node:assert/strict";
import test from "node:test";
import { hex, unbase64, utf8 } from "../bytes.js";
import { checkLines, parseCheckpoint } from "../checkpoint.js";
import { PublicKey } from "../ed25519.js";
import { logLeafHash, sha256 } from "../hash.js";
import { isConsistent, isIncluded } from "../merkle.js";
import { COSIGNATURE, LOG_SIGNATURE, keyId } from "../note.js";
import { refused } from "./assert.js";
import { inclusionPath, logRoot } from "./forge.js";
import { c2sp } from "./vectors.js";
import { parseTlogProof } from "../tlog_proof.js";

const LEAVES = bundleLeaves();

function bundleLeaves() {
  const bytes = Buffer.from(c2sp.bundle_hex, "hex");
  const leaves = [];
  for (let at = 0; at < bytes.length;) {
    const length = bytes.readUInt16BE(at);
    leaves.push(new Uint8Array(bytes.subarray(at + 2, at + 2 + length)));
    at += 2 + length;
  }
  return leaves;
}

async function readVkey(vkey) {
  const [name, id, encoded] = vkey.split("+");
  const [type, ...bytes] = unbase64(encoded);
  const key = PublicKey.parse(`ed25519:${hex(bytes)}`);
  assert.equal(await keyId(name, type, key), id);
  return { name, id, type, key, organisation: name.split("/")[0], node: name.split("/")[1] };
}

test("c2sp: leaf hashes, roots and the empty root", async () => {
  assert.equal(hex(await logLeafHash(LEAVES[0])), c2sp.leaf0_hash);
  assert.equal(hex(await sha256()), hex(unbase64(c2sp.empty_root)));
  for (const [size, root] of Object.entries(c2sp.roots)) {
    assert.equal(hex(await logRoot(LEAVES.slice(0, size))), hex(unbase64(root)));
  }
  const hashes = await Promise.all(LEAVES.map((leaf) => logLeafHash(leaf)));
  assert.equal(hashes.map(hex).join(""), c2sp.tile0_hex);
});

test("c2sp: consistency from 3 and from 4 to 7", async () => {
  const root = (size) => hex(unbase64(c2sp.roots[size]));
  for (const old of [3, 4]) {
    const path = c2sp[`consistency_${old}_7`].map(unbase64);
    assert.ok(await isConsistent(old, root(old), 7, root(7), path));
    assert.ok(!(await isConsistent(old, root(2), 7, root(7), path)));
  }
});

test("c2sp: the note's lines hold under its keys, and no altered one does", async () => {
  const log = await readVkey(c2sp.log_vkey);
  const cosigners = await Promise.all(c2sp.cosigner_vkeys.map(readVkey));
  assert.equal(log.type, LOG_SIGNATURE);
  assert.ok(cosigners.every(({ type }) => type === COSIGNATURE));
  const checkpoint = parseCheckpoint(c2sp.checkpoint_note);
  assert.deepEqual(
    [checkpoint.origin, checkpoint.size, checkpoint.root],
    [c2sp.origin, 7, hex(unbase64(c2sp.roots[7]))],
  );
  const made = await checkLines(checkpoint, [log, ...cosigners]);
  assert.deepEqual(
    made.map(({ name, time }) => [name, time]),
    [[c2sp.origin, null], ...cosigners.map(({ name }) => [name, 1767225600])],
  );
  assert.equal(`cosignature/v1\ntime ${made[1].time}\n${checkpoint.text}`, c2sp.cosigned_message);
  const other = { ...checkpoint, text: checkpoint.text.replace("\n7\n", "\n8\n") };
  await refused("log-signature", () => checkLines(other, [log, ...cosigners]));
  await refused("quorum", () => checkLines(other, cosigners));
  assert.deepEqual(await checkLines(other, []), []);
});

test("c2sp: the tlog-proof's path, which is no receipt for want of a leaf", async () => {
  await refused("file", async () => parseTlogProof(c2sp.tlog_proof));
  const { index, path, checkpoint } = parseTlogProof(c2sp.tlog_proof.replace("\nindex", "\nextra \nindex"));
  assert.equal(index, 4);
  assert.ok(await isIncluded(await logLeafHash(LEAVES[4]), index, checkpoint.size, path, checkpoint.root));
  assert.deepEqual(path, await inclusionPath(4, LEAVES));
  assert.deepEqual(utf8("tx-4"), LEAVES[4]);
});
