// Tests every file of proofs.json, which the ledger's own code wrote, for exactly what it is said to prove.

import assert from "node:assert/strict";
import test from "node:test";
import {
  Trust,
  openExhibit,
  readGenesis,
  verifyConsistency,
  verifyEvidence,
  verifyHistory,
  verifyReceipt,
  verifyState,
} from "../verify.js";
import { parseCheckpoint } from "../checkpoint.js";
import { refused } from "./assert.js";
import { proofs, trustedOfProofs } from "./vectors.js";


test("proofs: the bundle leads from the genesis to epoch 1 at the boundary", async () => {
  const trust = await trustedOfProofs();
  assert.deepEqual(
    trust.epochs.map(({ members, after }) => [members.epoch, after]),
    [
      [0, 0],
      [1, proofs.boundary],
    ],
  );
  const { hash, origin, members } = await readGenesis(proofs.genesis, proofs.genesis_hash);
  assert.deepEqual([hash, origin, members.hash], [proofs.genesis_hash, trust.origin, trust.epochs[0].members.hash]);
  await refused("genesis", () => Trust.fromBundle(proofs.trust_bundle, "0".repeat(64)));
});

test("proofs: receipts, in both of their forms", async () => {
  const trust = await trustedOfProofs();
  for (const [name, { file, json, index, size, epoch, signers }] of Object.entries(proofs.receipts)) {
    const proved = await verifyReceipt(trust, file);
    assert.deepEqual([proved.index, proved.size, proved.epoch, proved.signers], [index, size, epoch, signers], name);
    assert.deepEqual(await verifyReceipt(trust, json), proved, name);
    assert.deepEqual(proved.epochs, size === proofs.boundary ? [epoch, epoch + 1] : [epoch], name);
  }
});

test("proofs: a genesis knows epoch 0 only, a pinned epoch only what is above it", async () => {
  const genesis = await Trust.fromGenesis(proofs.genesis, proofs.genesis_hash);
  const pinned = await Trust.fromPinnedEpoch(proofs.pinned_epoch);
  for (const { file, size, epoch } of Object.values(proofs.receipts)) {
    if (epoch === 0) assert.equal((await verifyReceipt(genesis, file)).epoch, 0);
    else await refused("quorum", () => verifyReceipt(genesis, file));
    if (size > proofs.boundary) assert.equal((await verifyReceipt(pinned, file)).epoch, 1);
    else await refused("epochs", () => verifyReceipt(pinned, file));
  }
});

test("proofs: states", async () => {
  const trust = await trustedOfProofs();
  for (const [name, { file, collection, id, answer, height, value }] of Object.entries(proofs.states)) {
    const proved = await verifyState(trust, file, collection, id);
    assert.deepEqual([proved.answer, proved.height, proved.newest?.value ?? null], [answer, height, value], name);
    assert.equal(proved.newest?.withheld ?? false, answer === "present" && value === null, name);
    await refused(answer === "absent" ? "state" : "claim", () => verifyState(trust, file, collection, `${id}0`), name);
  }
});

test("proofs: histories", async () => {
  const trust = await trustedOfProofs();
  for (const [name, { file, collection, id, from, to, versions }] of Object.entries(proofs.histories)) {
    const proved = await verifyHistory(trust, file, collection, id);
    assert.deepEqual([proved.from, proved.to], [from, to], name);
    assert.deepEqual(
      proved.versions.map(({ version }) => version),
      versions,
      name,
    );
  }
});

test("proofs: consistencies", async () => {
  const trust = await trustedOfProofs();
  for (const [name, { file, old, new: newer }] of Object.entries(proofs.consistencies)) {
    const proved = await verifyConsistency(trust, file);
    assert.deepEqual([proved.old.size, proved.new.size], [old, newer], name);
    if (newer > proofs.boundary)
      await refused("quorum", async () => verifyConsistency(await Trust.fromGenesis(proofs.genesis), file));
  }
});

test("proofs: evidence", async () => {
  const trust = await trustedOfProofs();
  for (const [what, { file, accused }] of Object.entries(proofs.evidence)) {
    const proved = await verifyEvidence(trust, file);
    assert.equal(proved.what, what);
    assert.deepEqual(
      proved.accused.map(({ organisation }) => organisation),
      accused,
      what,
    );
    assert.equal(proved.shown, what !== "false-seal");
  }
});

test("proofs: the exhibit carries its proof and its epochs", async () => {
  const { proof, trust } = await openExhibit(proofs.exhibit, proofs.genesis_hash);
  const proved = await verifyReceipt(trust, proof);
  assert.equal(proved.origin, (await trustedOfProofs()).origin);
  assert.equal(parseCheckpoint(proof.slice(proof.indexOf("\n\n") + 2)).size, proved.size);
  await refused("genesis", () => openExhibit(proofs.exhibit, "0".repeat(64)));
});
