// Tests what the command line prints and with which code it ends.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after } from "node:test";
import { fileURLToPath } from "node:url";
import { ledger, ledgerPolicy, proofs } from "./vectors.js";

const folder = mkdtempSync(join(tmpdir(), "countersign-"));
after(() => rmSync(folder, { recursive: true }));

function file(name, text) {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

function run(...words) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [fileURLToPath(new URL("../cli.js", import.meta.url)), ...words],
    { encoding: "utf8" },
  );
  return { status, stdout, stderr };
}

function files() {
  return {
    genesis: file("genesis.json", proofs.genesis),
    bundle: file("bundle.json", proofs.trust_bundle),
    pinned: file("epoch.json", proofs.pinned_epoch),
    exhibit: file("exhibit.json", proofs.exhibit),
    receipt: file("receipt.tlog-proof", proofs.receipts.epoch_1.file),
    state: file("state.json", proofs.states.present_epoch_1.file),
    history: file("history.json", proofs.histories.whole.file),
    consistency: file("consistency.json", proofs.consistencies.across.file),
    fork: file("fork.json", proofs.evidence.fork.file),
    falseSeal: file("evidence.json", proofs.evidence["false-seal"].file),
    hash: proofs.genesis_hash,
    policy: file("policy", ledgerPolicy()),
    ledgerReceipt: file("ledger.tlog-proof", ledger.checkpoint_1.receipt_applied),
  };
}

test("every kind of proof is verified, and says what is proved and what is not", () => {
  const { genesis, bundle, pinned, exhibit, receipt, state, history, consistency, fork, hash } = files();
  const { policy, ledgerReceipt } = files();
  const question = ["--collection", "shipments", "--id", "S-1"];
  const runs = [
    ["receipt", receipt, "--genesis-hash", hash, "--trust", bundle],
    ["receipt", receipt, "--epoch", pinned],
    ["receipt", ledgerReceipt, "--policy", policy, "--origin", ledger.origin],
    ["receipt", exhibit, "--genesis-hash", hash],
    ["receipt", exhibit, "--genesis", genesis],
    ["receipt", exhibit, "--epoch", pinned],
    ["state", state, "--genesis", genesis, "--trust", bundle, ...question],
    ["history", history, "--genesis", genesis, "--genesis-hash", hash, "--trust", bundle, ...question],
    ["consistency", consistency, "--genesis-hash", hash, "--trust", bundle],
    ["evidence", fork, "--genesis", genesis],
    ["trust", bundle, "--genesis-hash", hash],
  ];
  for (const words of runs) {
    const { status, stdout, stderr } = run(...words);
    assert.deepEqual([status, stderr], [0, ""], words.join(" "));
    assert.match(stdout, /^verified: \w+\n(  proved: .+\n)+(  not proved: .+\n)+$/);
    const json = run(...words, "--json");
    assert.equal(json.status, 0);
    const { verified, kind, proved } = JSON.parse(json.stdout);
    assert.deepEqual([verified, kind], [true, words[0]]);
    assert.ok(proved.length > 0);
  }
});

test("a false seal is attributed and not verified: 13, and the command that shows the rest", () => {
  const { genesis, falseSeal } = files();
  const { status, stdout, stderr } = run("evidence", falseSeal, "--genesis", genesis);
  assert.equal(status, 13);
  assert.match(stdout, /^the signatures hold, not yet verified: evidence\n/);
  assert.match(stderr, /^[^\n]*countersign audit --level full\n$/);
  assert.equal(JSON.parse(run("evidence", falseSeal, "--genesis", genesis, "--json").stdout).verified, false);
});

test("what is refused ends with 11 and one line that names the check", () => {
  const { genesis, bundle, pinned, exhibit, receipt, state, hash } = files();
  const runs = [
    ["quorum", "receipt", receipt, "--genesis", genesis],
    ["genesis", "receipt", exhibit, "--genesis-hash", "0".repeat(64)],
    ["genesis", "receipt", receipt, "--genesis", genesis, "--genesis-hash", "0".repeat(64)],
    ["file", "receipt", state, "--genesis", genesis],
    ["file", "evidence", receipt, "--epoch", pinned],
    ["file", "trust", exhibit, "--genesis", genesis],
    ["claim", "state", state, "--genesis-hash", hash, "--trust", bundle, "--collection", "shipments", "--id", "S-2"],
    ["epochs", "receipt", file("old", proofs.receipts.seal.file), "--epoch", pinned],
    ["file", "receipt", file("binary", Buffer.from([0xff])), "--epoch", pinned],
    ["file", "state", file("cursor", '{"\u001b[2J":1}'), "--genesis", genesis, "--collection", "c", "--id", "i"],
  ];
  for (const [check, ...words] of runs) {
    const { status, stdout, stderr } = run(...words);
    assert.deepEqual([status, stdout], [11, ""], words.join(" "));
    assert.match(stderr, new RegExp(`^refused: ${check}: [^\\n\\u001b]+\\n$`));
  }
});

test("wrong usage ends with 2", () => {
  const { genesis, bundle, pinned, exhibit, receipt, state, hash, policy } = files();
  const runs = [
    [],
    ["receipt"],
    ["receipt", receipt],
    ["verify", receipt, "--genesis", genesis],
    ["constructor", receipt, "--genesis", genesis],
    ["receipt", receipt, "--genesis", genesis, "more"],
    ["receipt", receipt, "--genesis", genesis, "--epoch", pinned],
    ["receipt", receipt, "--trust", bundle],
    ["receipt", receipt, "--policy", policy],
    ["receipt", receipt, "--policy", policy, "--origin", ledger.origin, "--epoch", pinned],
    ["receipt", receipt, "--genesis", genesis, "--origin", ledger.origin],
    ["receipt", receipt, "--genesis-hash", hash],
    ["receipt", receipt, "--genesis-hash", "abc"],
    ["receipt", receipt, "--genesis-hash", hash.toUpperCase()],
    ["receipt", join(folder, "none"), "--genesis", genesis],
    ["receipt", receipt, "--genesis", join(folder, "none")],
    ["receipt", folder, "--genesis", genesis],
    ["state", state, "--genesis", genesis],
    ["state", state, "--genesis", genesis, "--id", "S-1"],
    ["receipt", receipt, "--genesis", genesis, "--id", "S-1"],
    ["receipt", receipt, "--genesis", genesis, "--loud"],
    ["trust", bundle, "--epoch", pinned],
    ["trust", bundle, "--genesis", genesis, "--trust", bundle],
    ["trust", exhibit],
  ];
  for (const words of runs) {
    const { status, stdout, stderr } = run(...words);
    assert.deepEqual([status, stdout], [2, ""], words.join(" "));
    assert.match(stderr, /usage:/);
  }
});
