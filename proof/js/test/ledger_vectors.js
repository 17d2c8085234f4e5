// Tests every hash, message and proof of ledger.json, and that the verifier believes the proofs for what they are.

import assert from "node:assert/strict";
import test from "node:test";
import { concat, hex, unbase64, unhex, utf8 } from "../bytes.js";
import { encode, parse } from "../canonical.js";
import { parseCheckpoint } from "../checkpoint.js";
import { PublicKey } from "../ed25519.js";
import { logLeafHash, sha256, taggedHash } from "../hash.js";
import { parseLeaf } from "../leaf.js";
import { isConsistent } from "../merkle.js";
import { recordHash, stateKey } from "../record.js";
import { Trust, checkFounders, readGenesis, verifyReceipt, verifyState } from "../verify.js";
import { refused } from "./assert.js";
import { canonical, keyOf, logRoot, plain, stateTree } from "./forge.js";
import { ledger } from "./vectors.js";

const LIMITS = { bytes: 1 << 20, nesting: 96 };
const LEAVES = ledger.leaves.map(utf8);
const publicKey = (text) => PublicKey.parse(text);
const trusted = () => Trust.fromGenesis(ledger.genesis, ledger.genesis_hash);

test("ledger: the seeds make the keys", async () => {
  for (const { seed, public: key } of Object.values(ledger.keys)) {
    assert.equal(hex((await keyOf(unhex(seed))).bytes), key);
    assert.ok(publicKey(`ed25519:${key}`));
  }
});

test("ledger: the genesis gives its hash, origin, members, quorum and keys", async () => {
  const { hash, origin, members } = await readGenesis(ledger.genesis);
  assert.equal(hash, ledger.genesis_hash);
  assert.equal(origin, ledger.origin);
  assert.equal(encode(members.document), ledger.members);
  assert.equal(members.hash, ledger.members_hash);
  assert.equal(members.quorum, ledger.quorum);
  const vkeys = (await members.noteKeys(origin)).map(
    ({ name, id, type, key }) => `${name}+${id}+${Buffer.from([type, ...key.bytes]).toString("base64")}`,
  );
  assert.deepEqual(vkeys.sort(), [...ledger.log_vkeys, ...ledger.cosign_vkeys].sort());
  await refused("genesis", () => Trust.fromGenesis(ledger.genesis, "0".repeat(64)));
});

test("ledger: the founders signed the genesis", async () => {
  const genesis = await readGenesis(ledger.genesis);
  assert.equal(hex(concat(utf8("countersign/genesis/v1\n"), unhex(genesis.hash))), ledger.genesis_signed_message);
  await checkFounders(genesis, canonical(ledger.genesis_signatures));
  const { "acme.example": acme, ...others } = ledger.genesis_signatures;
  await refused("genesis", () => checkFounders(genesis, canonical(others)));
  await refused("genesis", () => checkFounders(genesis, canonical({ ...others, "echo.example": acme })));
  await refused("genesis", () =>
    checkFounders(genesis, canonical({ ...others, "acme.example": others["bolt.example"] })),
  );
});

test("ledger: salts, values, records and state keys", async () => {
  const blocks = [ledger.block_1, ledger.block_2];
  const written = blocks.flatMap(({ transactions }) =>
    transactions.flatMap(({ nonce, versions = [] }) => versions.map((version) => ({ nonce, ...version }))),
  );
  const nonce = ledger.genesis_hash.slice(0, 32);
  const versions = [...ledger.genesis_versions.map((version) => ({ nonce, ...version })), ...written];
  assert.ok(versions.length >= 18);
  for (const {
    nonce,
    collection,
    id,
    value,
    salt,
    value_hash,
    record,
    record_preimage,
    record_hash,
    state_key,
    state_key_preimage,
  } of versions) {
    const name = utf8(encode([collection, id]));
    if (value !== null) {
      assert.equal(await taggedHash("salt", unhex(nonce), name), salt);
      assert.equal(await taggedHash("value", unhex(salt), utf8(encode(parse(value, LIMITS)))), value_hash);
    }
    const parsed = parse(record, LIMITS);
    assert.equal(parsed.value, value_hash);
    assert.equal(hex(concat(utf8("countersign/version/v1\n"), utf8(record))), record_preimage);
    assert.equal(await recordHash(parsed), record_hash);
    assert.equal(hex(concat(utf8("countersign/state-key/v1\n"), name)), state_key_preimage);
    assert.equal(await stateKey(collection, id), state_key);
  }
});

test("ledger: states, leaves, seals and log roots of each block", async () => {
  let previous = ledger.genesis_hash;
  for (const height of [0, 1, 2]) {
    const block = ledger[`block_${height}`];
    assert.equal(hex((await stateTree(block.state)).root), block.state_root);
    const seal = parseLeaf(utf8(block.seal));
    assert.deepEqual([seal.state, seal.previous, seal.members], [block.state_root, previous, ledger.members_hash]);
    assert.equal(seal.first + seal.leaves, block.tree_size);
    assert.equal(ledger.leaves[block.seal_index], block.seal);
    previous = hex(await logLeafHash(utf8(block.seal)));
    assert.equal(previous, block.seal_hash);
    assert.equal(hex(await logRoot(LEAVES.slice(0, block.tree_size))), block.log_root);
  }
  assert.equal(hex(await logLeafHash(utf8(ledger.leaf_0))), ledger.leaf_0_hash);
  for (const leaf of LEAVES) parseLeaf(leaf);
});

test("ledger: proposals and transactions are what they say", async () => {
  let previous = ledger.genesis_hash;
  for (const block of [ledger.block_1, ledger.block_2]) {
    const header = parse(block.proposal_header, LIMITS);
    const message = concat(utf8("countersign/proposal/v1\n"), utf8(block.proposal_header));
    assert.equal(hex(message), block.proposal_signed_message);
    assert.equal(header.previous, previous);
    previous = hex(await sha256(message));
    assert.equal(previous, block.proposal_digest);
    const key = publicKey(`ed25519:${ledger.keys[`${header.proposer}/proposal`].public}`);
    assert.ok(await key.verify(message, unhex(block.proposal_signature)));
    const framed = block.transactions.map(({ transaction }) => {
      const length = new Uint8Array(4);
      new DataView(length.buffer).setUint32(0, transaction.length / 2);
      return concat(length, unhex(transaction));
    });
    assert.equal(hex(await sha256(...framed)), header.transactions);
    for (const transaction of block.transactions) await checkTransaction(transaction);
  }
});

async function checkTransaction({
  body,
  nonce,
  signers,
  signed_message,
  signatures,
  id,
  transaction,
  leaf_index,
  leaf,
  leaf_hash,
  versions = [],
}) {
  const message = concat(utf8("countersign/transaction/v1\n"), unhex(body));
  assert.equal(hex(message), signed_message);
  for (const [i, signer] of signers.entries()) assert.ok(await publicKey(signer).verify(message, unhex(signatures[i])));
  assert.equal(await taggedHash("transaction-id", publicKey(signers[0]).bytes, unhex(nonce)), id);
  const fields = [[0x0a, body], ...signatures.map((signature) => [0x12, signature])];
  assert.equal(fields.map(([tag, bytes]) => hex([tag, bytes.length / 2]) + bytes).join(""), transaction);
  const parsed = parseLeaf(utf8(leaf));
  assert.equal(ledger.leaves[leaf_index], leaf);
  assert.equal(hex(await logLeafHash(utf8(leaf))), leaf_hash);
  assert.deepEqual([parsed.id, parsed.body], [id, await taggedHash("transaction-body", unhex(body))]);
  assert.equal(parsed.signatures, await plain(signatures));
  if (parsed.outcome === "applied")
    assert.equal(parsed.writes, await plain(versions.map(({ record_hash }) => record_hash)));
}

test("ledger: checkpoints are signed over the messages shown, and joined by their paths", async () => {
  const { text, log_signature_signs, cosigned_messages, times, note } = ledger.checkpoint_1;
  assert.equal(parseCheckpoint(note).text, text);
  assert.equal(hex(utf8(text)), log_signature_signs);
  times.forEach((time, i) => assert.equal(hex(utf8(`cosignature/v1\ntime ${time}\n${text}`)), cosigned_messages[i]));
  const trust = await trusted();
  const certified = await trust.certify(note);
  assert.deepEqual(
    certified.cosignatures.map(({ time }) => time),
    times,
  );
  assert.equal(certified.log_signatures.length, 1);
  const root = (height) => ledger[`block_${height}`].log_root;
  const path = (checkpoint, name) => ledger[checkpoint][name].map(unbase64);
  assert.ok(await isConsistent(2, root(0), 5, root(1), path("checkpoint_1", "consistency_2_5")));
  assert.ok(await isConsistent(5, root(1), 7, root(2), path("checkpoint_2", "consistency_5_7")));
  assert.equal((await trust.certify(ledger.checkpoint_2.note)).root, root(2));
});

test("ledger: receipts are believed for their leaf, place, root and signers", async () => {
  const trust = await trusted();
  const everyone = ["acme.example", "bolt.example", "cargo.example", "dock.example"];
  const expected = [
    ["checkpoint_1", "receipt_applied", 2, everyone],
    ["checkpoint_1", "receipt_rejected", 3, everyone],
    ["checkpoint_1", "receipt_seal", 4, everyone],
    ["checkpoint_1", "receipt_genesis", 0, everyone],
    ["checkpoint_1", "receipt_exact_quorum", 2, everyone.slice(0, 3)],
    ["checkpoint_2", "receipt_applied", 2, everyone],
  ];
  for (const [checkpoint, name, index, signers] of expected) {
    const file = ledger[checkpoint][name];
    const block = ledger[`block_${checkpoint.at(-1)}`];
    const proved = await verifyReceipt(trust, file);
    assert.equal(encode(proved.leaf), ledger.leaves[index]);
    assert.deepEqual(
      [proved.kind, proved.index, proved.size, proved.root, proved.epoch, proved.epochs, proved.signers, proved.origin],
      ["receipt", index, block.tree_size, block.log_root, 0, [0], signers, ledger.origin],
    );
    assert.equal(proved.leaf_hash, hex(await logLeafHash(LEAVES[index])));
    assert.equal(proved.height, index === 0 ? null : 1);
    assert.deepEqual(await verifyReceipt(trust, utf8(file)), proved);
  }
});

test("ledger: state proofs answer present, withheld, deleted and absent", async () => {
  const trust = await trusted();
  const { checkpoint_1: one, checkpoint_2: two } = ledger;
  const ask = (file, collection, id) => verifyState(trust, file, collection, id);
  const value = { carrier: "cargo.example", pallets: 12, value: "1200.00" };
  const present = await ask(one.state_present, "shipments", "S-1");
  assert.deepEqual(
    [present.answer, present.height, present.newest.version, present.newest.value],
    ["present", 1, 2, value],
  );
  const withheld = await ask(one.state_present_value_withheld, "shipments", "S-1");
  assert.deepEqual(withheld, { ...present, newest: { ...present.newest, value: null, withheld: true } });
  const account = await ask(one.state_account, "$accounts", "acme.example/ops");
  assert.deepEqual(account.newest.value, { keys: [`ed25519:${ledger.keys["acme.example/ops"].public}`] });
  for (const how of ["neighbour", "empty"]) {
    const absent = await ask(one[`state_absent_${how}`], "shipments", one.absent_ids[how]);
    assert.deepEqual([absent.answer, absent.newest, absent.size], ["absent", null, 5]);
  }
  const deleted = await ask(two.state_deleted, "shipments", "S-2");
  assert.deepEqual(
    [deleted.answer, deleted.height, deleted.newest.version, deleted.newest.deleted],
    ["deleted", 2, 2, true],
  );
  await refused("claim", () => ask(one.state_present, "shipments", "S-2"));
  await refused("claim", () => ask(one.state_present, "shipment", "S-1"));
  await refused("state", () => ask(one.state_absent_neighbour, "shipments", "S-1"));
  await refused("state", () => ask(one.state_absent_neighbour, "$accounts", "acme.example/ops"));
  await refused("state", () => ask(one.state_absent_empty, "shipments", "S-1"));
});
