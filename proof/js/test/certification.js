// Tests when a checkpoint is certified, and how receipts under it are read.

import assert from "node:assert/strict";
import test from "node:test";
import { unhex, utf8 } from "../bytes.js";
import { Trust, verifyReceipt } from "../verify.js";
import { refused } from "./assert.js";
import {
  ForgedLedger,
  base64,
  canonical,
  cosignatureLine,
  forgeGenesis,
  forgeNote,
  forgeVoter,
  forgeVoters,
  logLine,
} from "./forge.js";

const NAMES = ["a.example", "b.example", "c.example", "d.example", "e.example", "f.example", "g.example"];
const VOTERS = await forgeVoters(NAMES);

async function forged(voters = VOTERS.slice(0, 4)) {
  const ledger = await ForgedLedger.create(voters);
  await ledger.block();
  await ledger.block();
  return { ledger, trust: await Trust.fromGenesis(canonical(ledger.genesis), ledger.genesisHash) };
}

test("a quorum is needed of 1 to 7 organisations, and one fewer is refused", async () => {
  for (const [n, quorum] of [
    [1, 1],
    [2, 2],
    [3, 2],
    [4, 3],
    [5, 4],
    [6, 4],
    [7, 5],
  ]) {
    const { ledger, trust } = await forged(VOTERS.slice(0, n));
    const enough = ledger.voters.slice(n - quorum);
    const proved = await verifyReceipt(trust, await ledger.receipt(2, await ledger.note(enough)));
    assert.deepEqual(proved.signers, NAMES.slice(n - quorum, n));
    const few = ledger.voters.slice(n - quorum + 1);
    await refused(
      "quorum",
      async () => trust.certify(await ledger.note(few, 6, ledger.voters[0])),
      `${quorum - 1} of ${n}`,
    );
  }
});

test("one organisation counts once, however often it signs", async () => {
  const { ledger, trust } = await forged();
  const [a, b] = ledger.voters;
  const text = (await ledger.note()).split("\n\n")[0] + "\n";
  const lines = [
    await logLine(text, a),
    await cosignatureLine(text, a),
    await cosignatureLine(text, b),
    await cosignatureLine(text, b, 5),
  ];
  await refused("quorum", () => trust.certify(`${text}\n${lines.join("")}${lines[1]}`));
  const third = await cosignatureLine(text, ledger.voters[2]);
  assert.deepEqual((await trust.certify(`${text}\n${lines.join("")}${third}`)).signers, NAMES.slice(0, 3));
});

test("lines by unknown keys are skipped, wherever they stand", async () => {
  const { ledger, trust } = await forged();
  const note = await ledger.note(ledger.voters.slice(0, 3));
  const [text, signatures] = note.split("\n\n");
  const stranger = await forgeVoter("stranger.example");
  const impostor = await forgeVoter("a.example", "1", "impostor");
  const foreign = [
    await cosignatureLine(`${text}\n`, stranger),
    await cosignatureLine(`${text}\n`, impostor),
    await logLine(`${text}\n`, impostor),
    `\u2014 a.example/1 ${base64(new Uint8Array(76))}\n`,
    signatures.split("\n")[3].replace("c.example/1", "c.example/2") + "\n",
    `\u2014 other/log ${base64(new Uint8Array(5))}\n`,
  ];
  const expected = await trust.certify(note);
  for (const line of foreign) {
    assert.deepEqual(await trust.certify(`${text}\n\n${line}${signatures}`), expected);
    assert.deepEqual(await trust.certify(`${text}\n\n${signatures}${line}`), expected);
  }
  await refused("quorum", async () =>
    trust.certify(`${text}\n\n${signatures.split("\n").slice(0, 3).join("\n")}\n${foreign.join("")}`),
  );
});

test("one false line by a known key makes the whole note false", async () => {
  const { ledger, trust } = await forged();
  const note = await ledger.note(ledger.voters.slice(0, 3));
  const [text] = note.split("\n\n");
  const other = `${ledger.origin}\n6\n${base64(unhex("11".repeat(32)))}\n`;
  await refused("quorum", async () => trust.certify(note + (await cosignatureLine(other, ledger.voters[3]))));
  await refused("log-signature", async () => trust.certify(note + (await logLine(other, ledger.voters[3]))));
  const right = await cosignatureLine(`${text}\n`, ledger.voters[3]);
  assert.equal((await trust.certify(note + right)).signers.length, 4);
  const short = base64(Buffer.from(right.split(" ")[2], "base64").subarray(0, 75));
  await refused("quorum", () => trust.certify(`${note}\u2014 d.example/1 ${short}\n`));
  const shortest = base64(Buffer.from(right.split(" ")[2], "base64").subarray(0, 5));
  await refused("quorum", () => trust.certify(`${note}\u2014 d.example/1 ${shortest}\n`));
});

test("a cosignature's time is signed, and none beyond 2^63-1 holds", async () => {
  const { ledger, trust } = await forged();
  const note = await ledger.note(ledger.voters.slice(0, 2));
  const text = note.slice(0, note.indexOf("\n\n") + 1);
  const signed = async (time) => note + (await cosignatureLine(text, ledger.voters[2], time));
  assert.equal((await trust.certify(await signed(0))).cosignatures[2].time, 0);
  assert.ok(await trust.certify(await signed(2n ** 63n - 1n)));
  await refused("quorum", async () => trust.certify(await signed(2n ** 63n)));
});

test("a member must have signed as the log", async () => {
  const { ledger, trust } = await forged();
  const stranger = await forgeVoter("stranger.example");
  await refused("log-signature", async () => trust.certify(await ledger.note(ledger.voters, 6, null)));
  await refused("log-signature", async () => trust.certify(await ledger.note(ledger.voters, 6, stranger)));
  assert.equal(
    (await trust.certify(await ledger.note(ledger.voters, 6, ledger.voters[3]))).log_signatures[0].organisation,
    "d.example",
  );
});

test("another genesis, or the same under another name, is another ledger", async () => {
  const { ledger } = await forged();
  const receipt = await ledger.receipt(2);
  const renamed = await Trust.fromGenesis(canonical({ ...ledger.genesis, ledger: "other.example" }));
  const later = await Trust.fromGenesis(canonical({ ...ledger.genesis, time: 1 }));
  for (const trust of [renamed, later]) await refused("genesis", () => verifyReceipt(trust, receipt));
});

test("the checkpoint of an empty log is never certified", async () => {
  const { ledger, trust } = await forged();
  await refused("epochs", async () => trust.certify(await ledger.note(ledger.voters, 0)));
});

test("a note is of the C2SP form", async () => {
  const { ledger, trust } = await forged();
  const note = await ledger.note();
  const [text, signatures] = note.split("\n\n");
  const malformed = [
    "",
    "\n",
    "\n\n",
    text,
    `${text}\n\n`,
    note.trimEnd(),
    `${note}\n`,
    note.replaceAll("\n", "\r\n"),
    note.replaceAll("\u2014", "-"),
    `${text}\nextension\n\n${signatures}`,
    `${text}\n\n\n${signatures}`,
    `\n${note}`,
    note.replace("\n6\n", "\n06\n"),
    note.replace("\n6\n", "\n+6\n"),
    note.replace("\n6\n", "\n6.0\n"),
    note.replace("\n6\n", "\n9007199254740992\n"),
    note.replace("\n6\n", "\n\n"),
    note.replace("=\n\n", "\n\n"),
    note.replace("\u2014 a", "\u2014  a"),
    note.replace("\u2014 a", "\u2014 \u00a0a"),
    note.replace("\u2014 a", "\u2014 +a"),
    note.replace("\u2014 a", "\u2014 \u0085a"),
    note.replace(" a.example/1 ", "  "),
    note.replace(/=\n$/, "\n"),
    note.replace(/\n$/, " \n"),
    note.replace("\u2014 a", "\u2014\ta"),
    `${note}\u2014 x AAAA\n`,
    `${note}\u2014 x AAAAAA==\n`,
    `${note}\u2014 x AAAAAAB=\n`,
    `${note}\u2014 x\u0007 AAAAAAA=\n`,
    `${note}\u2014 x AAAAAB==\n`,
    `${note}\u2014 x AAAAAAAA=\n`,
    `${note}\u2014 x AAAA-_AA\n`,
    `${note}x\n`,
    note.replace("\n\n", "\n\n\u0000"),
  ];
  for (const wrong of malformed) {
    assert.notEqual(wrong, note);
    await refused("file", () => trust.certify(wrong), JSON.stringify(wrong.slice(0, 200)));
  }
  for (const value of [null, 5, {}, [note]]) await refused("file", () => trust.certify(value));
});

test("a note has at most 256 lines and 64 KiB", async () => {
  const { ledger, trust } = await forged();
  const note = await ledger.note();
  const padded = (count, length) => note + `\u2014 x ${base64(new Uint8Array(length))}\n`.repeat(count);
  assert.ok(await trust.certify(padded(251, 60)));
  await refused("file", () => trust.certify(padded(252, 60)));
  await refused("file", () => trust.certify(padded(10, 6000)));
});

test("a receipt's leaf has one of the known forms", async () => {
  const { ledger, trust } = await forged();
  const [, , transaction, sealed] = ledger.leaves.map((leaf) => JSON.parse(Buffer.from(leaf)));
  const seal = { ...sealed, first: 1 };
  const { writes, ...rejected } = { ...transaction, outcome: "rejected", code: "EXPIRED" };
  const under = async (leaf) => {
    ledger.leaves[2] =
      typeof leaf === "string" ? utf8(leaf) : leaf instanceof Uint8Array ? leaf : utf8(canonical(leaf));
    return verifyReceipt(trust, await ledger.receipt(2));
  };
  const toCome = { ...rejected, code: "OF_RULES_2" };
  for (const right of [transaction, rejected, toCome, seal, { ...transaction, by: "a.example" }])
    assert.deepEqual((await under(right)).leaf, right);
  const wrong = [
    { ...transaction, v: 2 },
    { ...transaction, v: "1" },
    { ...transaction, kind: "transfer" },
    { ...transaction, outcome: "done" },
    { ...transaction, code: "EXPIRED" },
    { ...transaction, height: -1 },
    { ...transaction, height: 0.5 },
    { ...transaction, by: "a.example/b/c" },
    { ...transaction, by: "A" },
    { ...transaction, by: "" },
    { ...transaction, body: writes.toUpperCase() },
    { ...transaction, id: writes.slice(1) },
    { ...transaction, extra: 1 },
    { ...rejected, writes },
    { ...rejected, code: "unlucky" },
    { ...rejected, code: "X".repeat(65) },
    { ...rejected, code: "" },
    { ...rejected, outcome: "applied" },
    { genesis: writes, kind: "genesis", v: 1 },
    { kind: "seal", v: 1 },
    [],
    null,
    1,
    "x",
    { ...seal, proposer: null },
    { ...seal, leaves: 0 },
    { ...seal, proposer: "a.example" },
    { ...seal, height: 0 },
    { ...seal, rules: 0 },
    { ...seal, first: "2" },
    { ...seal, first: 2 },
    { ...seal, state: null },
    { ...seal, term: -1 },
    canonical(transaction) + "\n",
    ` ${canonical(transaction)}`,
    "",
    "{",
    utf8("\u0000"),
    Uint8Array.of(0xff),
    `"${"x".repeat(4095)}"`,
    "[".repeat(4000),
  ];
  for (const leaf of wrong) await refused("leaf", () => under(leaf), JSON.stringify(leaf));
});

test("a seal stands at the end of its block", async () => {
  const { ledger, trust } = await forged();
  assert.equal((await verifyReceipt(trust, await ledger.receipt(3))).height, 1);
  const index = await ledger.block({ leaves: 3 });
  await refused("leaf", async () => verifyReceipt(trust, await ledger.receipt(index)));
});

test("a receipt as JSON shows the leaf that it proves", async () => {
  const { ledger, trust } = await forged();
  const proof = await ledger.receipt(2);
  const leaf = JSON.parse(Buffer.from(ledger.leaves[2]));
  const receipt = { kind: "receipt", leaf, proof, v: 1 };
  assert.deepEqual(await verifyReceipt(trust, canonical(receipt)), await verifyReceipt(trust, proof));
  await refused("leaf", () => verifyReceipt(trust, canonical({ ...receipt, leaf: { ...leaf, height: 9 } })));
  for (const changes of [
    { v: 2 },
    { kind: "state-proof" },
    { proof: null },
    { more: 1 },
    { proof: canonical(receipt) },
  ]) {
    await refused("file", () => verifyReceipt(trust, canonical({ ...receipt, ...changes })));
  }
});

test("a tlog-proof is of the C2SP form", async () => {
  const { ledger, trust } = await forged();
  const proof = await ledger.receipt(2);
  const [version, extra, index, ...rest] = proof.split("\n");
  const malformed = [
    [version, index, ...rest],
    [version, extra, ...rest],
    [extra, version, index, ...rest],
    [version, index, extra, ...rest],
    [`${version} `, extra, index, ...rest],
    [version, extra, "index 02", ...rest],
    [version, extra, "index -2", ...rest],
    [version, extra, "index", ...rest],
    [version, extra, "index 1e1", ...rest],
    [version, extra, index, base64(new Uint8Array(31)), ...rest],
    [version, extra, index, "", ...rest],
    [version, `${extra} `, index, ...rest],
    [version, extra, index, ...Array(65).fill(base64(new Uint8Array(32))), ...rest],
    [version.replace("v1", "v2"), extra, index, ...rest],
    [version.toUpperCase(), extra, index, ...rest],
  ];
  for (const lines of malformed) await refused("file", () => verifyReceipt(trust, lines.join("\n")), lines[2]);
  await refused("inclusion", () => verifyReceipt(trust, [version, extra, "index 3", ...rest].join("\n")));
  await refused("inclusion", () => verifyReceipt(trust, [version, extra, "index 6", ...rest].join("\n")));
  await refused("inclusion", () => verifyReceipt(trust, [version, extra, index, rest[0], ...rest].join("\n")));
  await refused("inclusion", () => verifyReceipt(trust, [version, extra, index, ...rest.slice(1)].join("\n")));
});

test("a genesis has its form", async () => {
  const genesis = forgeGenesis(VOTERS.slice(0, 2));
  const { organisations } = genesis;
  const { "a.example": a, "b.example": b } = organisations;
  const key = VOTERS[2].tls.text;
  const schema = (value) => ({
    collections: { c: { access: { engine: "writers/v1", write: ["a.example"] }, schema: value } },
  });
  const deep = (depth) => {
    let value = {};
    for (let i = 1; i < depth; i++) value = { a: value };
    return value;
  };
  const right = [{}, { accounts: { "a.example/ops": [key] } }, schema({}), schema(deep(93))];
  for (const changes of right) assert.ok(await Trust.fromGenesis(canonical({ ...genesis, ...changes })));
  await refused("file", () => Trust.fromGenesis(canonical({ ...genesis, ...schema(deep(94)) })));
  const node = (changes) => ({
    organisations: { "a.example": { ...a, nodes: { 1: { ...a.nodes[1], ...changes } } }, "b.example": b },
  });
  const wrong = [
    { v: 2 },
    { rules: 2 },
    { quorum: "n" },
    { ledger: "UPPER" },
    { ledger: "" },
    { time: -1 },
    { time: "0" },
    { limits: {} },
    { limits: { ...genesis.limits, document_bytes: 1023 } },
    { limits: { ...genesis.limits, document_bytes: 2048 } },
    { limits: { ...genesis.limits, proposal_bytes: (4 << 20) + 1 } },
    { organisations: {} },
    { organisations: [] },
    { organisations: { "A!": a } },
    { organisations: { "a.example": { ...a, more: 1 } } },
    { more: 1 },
    { organisations: { "a.example": { ...a, nodes: {} } } },
    { organisations: { "a.example": { ...a, nodes: { 1: a.nodes[1], 2: b.nodes[1] } } } },
    node({ cosign: a.nodes[1].log }),
    node({ tls: b.governance }),
    node({ log: `ed25519:${"0".repeat(64)}` }),
    node({ log: null }),
    node({ address: 1 }),
    node({ address: "\u00e4".repeat(129) }),
    node({ raft: key }),
    { accounts: { "a.example": [key] } },
    { accounts: { "z.example/ops": [key] } },
    { accounts: { "a.example/ops": [] } },
    { accounts: { "a.example/ops": [a.governance] } },
    { accounts: { "a.example/ops": [key, key] } },
    { collections: { $c: schema({}).collections.c } },
    schema(null),
    schema([]),
    { collections: { c: { access: { engine: "writers/v1", write: ["b.example", "a.example"] }, schema: {} } } },
    { collections: { c: { access: { engine: "writers/v2", write: [] }, schema: {} } } },
  ];
  for (const changes of wrong)
    await refused("genesis", () => Trust.fromGenesis(canonical({ ...genesis, ...changes })), canonical(changes));
  await refused("file", () => Trust.fromGenesis(`${canonical(genesis)}\n`));
});

test("a note that is signed for another log is not this log's", async () => {
  const { ledger, trust } = await forged();
  const note = await forgeNote(`${ledger.origin}0`, 6, await ledger.root(), ledger.voters);
  await refused("genesis", () => trust.certify(note));
});
