// Tests what a policy believes, and which files are none.

import assert from "node:assert/strict";
import test from "node:test";
import { utf8 } from "../bytes.js";
import {
  PolicyTrust,
  Trust,
  openExhibit,
  verifyConsistency,
  verifyEvidence,
  verifyReceipt,
  verifyState,
} from "../verify.js";
import { refused } from "./assert.js";
import { ForgedLedger, canonical, cosignatureLine, forgeVoter, forgeVoters, logLine } from "./forge.js";
import { ledger, ledgerPolicy } from "./vectors.js";

const { checkpoint_1: one, checkpoint_2: two, log_vkeys: logs, cosign_vkeys: witnesses } = ledger;
const read = (file = ledgerPolicy(), origin = ledger.origin) => PolicyTrust.read(file, origin);
const [A, B, C, D] = witnesses.map((vkey, i) => `witness w${i} ${vkey}`);
const LOG = `log ${logs[0]}`;
const policy = (...lines) => `${lines.join("\n")}\n`;

test("a policy believes what the members of its epoch certified", async () => {
  const trust = await read();
  const members = await Trust.fromGenesis(ledger.genesis, ledger.genesis_hash);
  const same = ({ epoch, epochs, signers, cosignatures, log_signatures, ...rest }) => rest;
  for (const file of [one.receipt_applied, one.receipt_seal, one.receipt_exact_quorum, two.receipt_applied]) {
    const [proved, expected] = [await verifyReceipt(trust, file), await verifyReceipt(members, file)];
    assert.deepEqual(same(proved), same(expected));
    assert.deepEqual([proved.epoch, proved.epochs], [null, []]);
    assert.deepEqual(
      proved.signers,
      expected.cosignatures.map(({ organisation, node }) => `${organisation}/${node}`),
    );
  }
  assert.equal((await verifyState(trust, one.state_present, "shipments", "S-1")).answer, "present");
  const path = two.consistency_5_7.map((hash) => Buffer.from(hash, "base64").toString("hex"));
  const consistency = canonical({ kind: "consistency-proof", new: two.note, old: one.note, path, v: 1 });
  assert.equal((await verifyConsistency(trust, consistency)).new.size, 7);
});

test("a quorum is what the groups ask for", async () => {
  const groups = ["group ab any w0 w1", "group cd all w2 w3", "group some 1 ab cd", "group more 2 ab cd"];
  const certify = async (chosen, note) => (await read(policy(LOG, ...logLines(), ...chosen))).certify(note);
  const three = one.receipt_exact_quorum.slice(one.receipt_exact_quorum.indexOf("\n\n") + 2);
  const quorum = (...names) => [A, B, C, D, ...groups.slice(0, 2 + names.length - 1), `quorum ${names.at(-1)}`];
  assert.ok(await certify(quorum("ab"), three));
  await refused("quorum", () => certify(quorum("cd"), three));
  assert.ok(await certify(quorum("ab", "some"), three));
  await refused("quorum", () => certify([A, B, C, D, groups[0], groups[1], groups[3], "quorum more"], three));
  assert.ok(await certify([A, B, C, D, groups[0], groups[1], groups[3], "quorum more"], one.note));
  assert.ok(await certify([A, "quorum w0"], three));
  await refused("quorum", () => certify([D, "quorum w3"], three));
});

// All logs but the first, which signs one of the notes.
function logLines() {
  return logs.slice(1).map((vkey) => `log ${vkey}`);
}

test("a log of the origin must have signed, and every line by a key of the policy must hold", async () => {
  const trust = await read(policy(A, "quorum w0"));
  await refused("log-signature", () => trust.certify(one.note));
  await refused("genesis", async () =>
    (await read(ledgerPolicy(), ledger.origin.replace("parts", "carts"))).certify(one.note),
  );
  const lines = one.note.trimEnd().split("\n");
  const falseD = lines.at(-1).replace(/.{8}$/, "AAAAAA==");
  const note = `${[...lines.slice(0, -1), falseD].join("\n")}\n`;
  await refused("quorum", async () => (await read()).certify(note));
  assert.ok(await (await read(policy(LOG, ...logLines(), A, "quorum w0"))).certify(note));
});

test("a log of another origin is no log of this one, though its line must hold", async () => {
  const voters = await forgeVoters(["a.example"]);
  const own = await ForgedLedger.create(voters);
  const text = (await own.note()).split("\n\n")[0] + "\n";
  const cosigned = await cosignatureLine(text, voters[0]);
  const other = await forgeVoter("b.example");
  const vkey = async (name, type, key) => {
    const line = type === 1 ? await logLine(`${name}\n`, { log: key }) : cosigned;
    const id = Buffer.from(line.split(" ")[2], "base64").subarray(0, 4).toString("hex");
    return `${name}+${id}+${Buffer.from([type, ...key.bytes]).toString("base64")}`;
  };
  const witness = `witness w ${await vkey("a.example/1", 4, voters[0].cosign)}`;
  const foreign = `log ${await vkey("other.example", 1, other.log)}`;
  const right = `log ${await vkey(own.origin, 1, voters[0].log)}`;
  const certify = async (file, note) => (await read(file, own.origin)).certify(note);
  assert.ok(await certify(policy(right, witness, "quorum w"), await own.note()));
  const byOther = await logLine(text, { log: other.log }, "other.example");
  const both = policy(right, foreign, witness, "quorum w");
  await refused("log-signature", () => certify(both, `${text}\n${cosigned}${byOther}`));
  assert.ok(await certify(both, `${await own.note()}${byOther}`));
  const falseLine = await logLine("another text", { log: other.log }, "other.example");
  await refused("log-signature", async () => certify(both, `${await own.note()}${falseLine}`));
  assert.ok(await certify(policy(right, witness, "quorum w"), `${await own.note()}${falseLine}`));
});

test("a policy accuses nobody, and follows no changes of members", async () => {
  const trust = await read();
  const found = canonical({ kind: "evidence", seal: one.receipt_seal, v: 1, what: "false-seal" });
  const members = await Trust.fromGenesis(ledger.genesis, ledger.genesis_hash);
  assert.equal((await verifyEvidence(members, found)).accused.length, 4);
  await refused("evidence", () => verifyEvidence(trust, found));
  const bundle = { changes: [], genesis: JSON.parse(ledger.genesis), kind: "trust-bundle", v: 1 };
  const exhibit = canonical({ kind: "exhibit", proof: one.receipt_applied, trust: bundle, v: 1 });
  const opened = await openExhibit(exhibit, trust.genesisHash, trust);
  assert.equal(opened.trust, trust);
  assert.equal((await verifyReceipt(opened.trust, opened.proof)).epoch, null);
});

test("a policy is read as C2SP writes it", async () => {
  const url = "https://ledger.acme.example:7400/";
  const forms = [
    policy(
      "# a comment",
      "",
      " \t",
      `\tlog  ${logs[0]}\t${url} `,
      `witness w0 ${witnesses[0]} ${url}`,
      "  # another",
      "quorum w0",
    ),
    policy("quorum w0").replace(/^/, policy(LOG, A)),
    policy(A, B, "group g 02 w0 w1", "quorum g").replace("02", "2"),
    policy(`witness org:\u00e9 ${witnesses[0]}`, "quorum org:\u00e9"),
    policy(D, C, B, A, "group g all w3 w2", "group h any w0 g", "quorum h", LOG),
  ];
  for (const form of forms) {
    assert.ok(await read(form));
    assert.ok(await read(utf8(form)));
  }
  // Octets that are not UTF-8 are opaque in names and comments.
  const octets = Buffer.from(`# \xff\n${A.replace("w0", "\xfe")}\nquorum \xfe\n`, "latin1");
  assert.ok(await read(octets));
});

test("what is no policy is refused, and one that asks for nobody's cosignature", async () => {
  const [name, id, ...encoded] = witnesses[0].split("+");
  const key = encoded.join("+");
  assert.ok(await read(policy(`witness w0 ${name}+${id}+${key}`, "quorum w0")));
  const wrong = [
    "",
    "\n",
    policy(LOG, A),
    policy(LOG, "quorum none"),
    policy("quorum w0", A),
    policy(A, "quorum w0", "quorum w0"),
    policy(A, "quorum w0 w1"),
    policy(A, "quorum"),
    policy(A, "quorum w0").trimEnd(),
    policy(A, "quorum w0").replaceAll("\n", "\r\n"),
    policy(A, "quorum w0", "\u0000"),
    policy(A, A, "quorum w0"),
    policy(A, A.replace("w0", "w1"), "quorum w0"),
    policy(A, B.replace("w1", "w0"), "quorum w0"),
    policy(LOG, LOG, A, "quorum w0"),
    policy(LOG.replace("log", "logs"), A, "quorum w0"),
    policy("log", A, "quorum w0"),
    policy(`${LOG} a b`, A, "quorum w0"),
    policy(`log ${witnesses[0]}`, A, "quorum w0"),
    policy(`witness w0 ${logs[0]}`, "quorum w0"),
    policy(A.replace("w0", "none"), "quorum none"),
    policy(`witness w0 ${name}+00000000+${key}`, "quorum w0"),
    policy(`witness w0 ${name}+${id.toUpperCase()}+${key}`, "quorum w0"),
    policy(`witness w0 other+${id}+${key}`, "quorum w0"),
    policy(`witness w0 ${name}+${id}`, "quorum w0"),
    policy(`witness w0 +${id}+${key}`, "quorum w0"),
    policy(`witness w0 ${name}+${id}+${key.slice(0, -4)}`, "quorum w0"),
    policy(A, B, "group g 0 w0 w1", "quorum g"),
    policy(A, B, "group g 3 w0 w1", "quorum g"),
    policy(A, B, "group g -1 w0 w1", "quorum g"),
    policy(A, B, "group g some w0 w1", "quorum g"),
    policy(A, B, "group g any", "quorum g"),
    policy(A, "group g any w0 w1", B, "quorum g"),
    policy(A, "group g any g", "quorum g"),
    policy(A, "group g any none", "quorum g"),
    policy(A, "group g 2 w0 w0", "quorum g"),
    policy(A, B, "group g any w0", "group h all g w0", "quorum h"),
    policy(A, "group w0 any w0", "quorum w0"),
    `# ${"x".repeat(1 << 20)}\n${policy(A, "quorum w0")}`,
  ];
  for (const file of wrong) await refused("file", () => read(file), JSON.stringify(file.slice(0, 300)));
  for (const origin of ["", "parts.example", null]) await refused("genesis", () => read(ledgerPolicy(), origin));
});
