// Alters every proof of the golden vectors in every small way, and demands that none is believed for another claim.
//
// A claim is what a verifier says was proved: leaf, index, size, root, epochs, signers, answer, value, accused. A mutant is
// refused, or is one that a clause of the document obliges us to accept: see `claims.js`.

import assert from "node:assert/strict";
import test from "node:test";
import { utf8 } from "../bytes.js";
import { Trust, verifyReceipt } from "../verify.js";
import { Tally } from "./claims.js";
import { canonical } from "./forge.js";
import { exchanged, insideTexts, lineMutants, memberMutants, spliced } from "./mutants.js";
import { random } from "./random.js";
import { rememberSignatures } from "./remember.js";
import { subjects } from "./subjects.js";
import { ledger, proofs } from "./vectors.js";

const pick = random(3);
const SUBJECTS = await subjects();

// Every byte of receipts and state proofs; of the larger files every fourth, unless all are asked for.
const STEP = process.env.COUNTERSIGN_MUTATE_ALL ? 1 : 4;

test("every byte with one bit flipped", async (t) => {
  rememberSignatures(t);
  const tally = new Tally();
  for (const subject of SUBJECTS) {
    const bytes = utf8(subject.file);
    const step = subject.kind === "state" || !subject.file.startsWith("{") ? 1 : STEP;
    for (let i = pick(step); i < bytes.length; i += step) {
      const flipped = Uint8Array.from(bytes);
      const bit = pick(8);
      flipped[i] ^= 1 << bit;
      await tally.judge(subject, flipped, `byte ${i}, bit ${bit}`);
    }
  }
  tally.report(t, "flipped bits");
});

test("every member removed, renamed, added and altered", async (t) => {
  rememberSignatures(t);
  const tally = new Tally();
  for (const subject of SUBJECTS.filter(({ file }) => file.startsWith("{"))) {
    for (const [mutant, what] of memberMutants(JSON.parse(subject.file)))
      await tally.judge(subject, canonical(mutant), what);
  }
  tally.report(t, "members");
});

test("every line removed, doubled, moved and replaced", async (t) => {
  rememberSignatures(t);
  const tally = new Tally();
  const others = [...SUBJECTS].filter(({ file }) => !file.startsWith("{"));
  for (const subject of SUBJECTS) {
    const foreign = others[pick(others.length)].file.split("\n");
    for (const [mutant, what] of insideTexts(subject.file, (text) =>
      lineMutants(text, [foreign[pick(foreign.length)], foreign[foreign.length - 2]]),
    )) {
      // A line from elsewhere may be a signature that holds: more may sign than before, if they signed this root somewhere.
      await tally.judge(subject, mutant, what, signedByMore(subject));
    }
  }
  tally.report(t, "lines");
});

/** The claim of a subject with all the signers that its checkpoint has in any file of its ledger. */
function signedByMore({ claim }) {
  if (!claim.signers) return [];
  const same = SUBJECTS.filter((other) => other.claim.root === claim.root && other.claim.signers).map(
    (other) => other.claim,
  );
  const union = (name) => {
    const items = [...new Map(same.flatMap((other) => other[name]).map((item) => [canonical(item), item])).values()];
    return name === "signers" ? items.sort() : items;
  };
  return [
    {
      ...claim,
      signers: union("signers"),
      cosignatures: union("cosignatures"),
      log_signatures: union("log_signatures"),
    },
  ];
}

test("parts of one proof in another", async (t) => {
  rememberSignatures(t);
  const tally = new Tally();
  const receipts = SUBJECTS.filter(({ file }) => !file.startsWith("{"));
  const claims = possible(receipts);
  for (const subject of receipts) {
    for (const other of receipts) {
      for (const mutant of spliced(subject.file, other.file))
        await tally.judge(subject, mutant, `with parts of ${other.name}`, claims);
    }
  }
  for (const kind of ["state", "history"]) {
    const files = SUBJECTS.filter((subject) => subject.kind === kind);
    for (const subject of files) {
      for (const other of files) {
        const asked = files.filter(({ collection, id }) => collection === subject.collection && id === subject.id);
        for (const mutant of exchanged(JSON.parse(subject.file), JSON.parse(other.file))) {
          await tally.judge(
            subject,
            canonical(mutant),
            `with parts of ${other.name}`,
            asked.map(({ claim }) => claim),
          );
        }
      }
    }
  }
  tally.report(t, "spliced");
});

/** What mixtures of true receipts may rightly claim: any leaf known under any checkpoint known of the same ledger. */
function possible(receipts) {
  const claims = [];
  for (const { claim: leaf } of receipts) {
    for (const { claim: note } of receipts) {
      if (leaf.origin !== note.origin || leaf.index >= note.size) continue;
      const { index, height, leaf: content, leaf_hash } = leaf;
      claims.push({ ...note, index, height, leaf: content, leaf_hash });
    }
  }
  return claims;
}

test("the exact quorum without one signer, with one twice, with a stranger, under another genesis", async (t) => {
  rememberSignatures(t);
  const file = ledger.checkpoint_1.receipt_exact_quorum;
  const subject = SUBJECTS.find((one) => one.file === file);
  const lines = file.trimEnd().split("\n");
  const signers = lines.filter((line) => /^\u2014 \w+\.example\/1 /.test(line));
  assert.equal(signers.length, ledger.quorum);
  const check = async (mutant) =>
    subject.verify(`${mutant.join("\n")}\n`).then(
      (claim) => claim,
      (error) => error.check,
    );
  for (const signer of signers) {
    const fewer = lines.filter((line) => line !== signer);
    assert.equal(await check(fewer), "quorum");
    for (const other of signers) if (other !== signer) assert.equal(await check([...fewer, other]), "quorum");
  }
  const stranger = `\u2014 stranger.example/1 ${signers[0].split(" ")[2]}`;
  for (let at = lines.indexOf(signers[0]) - 1; at <= lines.length; at++) {
    assert.deepEqual(await check([...lines.slice(0, at), stranger, ...lines.slice(at)]), subject.claim);
  }
  assert.deepEqual(await check([...lines, ...signers]), subject.claim);
  const others = [
    ledger.genesis.replace('"time":1', '"time":2'),
    ledger.genesis.replace("parts.example", "carts.example"),
    proofs.genesis,
  ];
  for (const genesis of others) {
    assert.notEqual(genesis, ledger.genesis);
    const trust = await Trust.fromGenesis(genesis);
    for (const one of SUBJECTS.filter(({ name }) => name.startsWith("ledger ") && name.includes("receipt"))) {
      await verifyReceipt(trust, one.file).then(assert.fail, (error) => assert.equal(error.check, "genesis"));
    }
  }
});
