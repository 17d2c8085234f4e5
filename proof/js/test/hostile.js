// Tests that whatever is thrown at the verifier is refused in time, and by a Refusal.

import assert from "node:assert/strict";
import test from "node:test";
import { utf8 } from "../bytes.js";
import { Trust, checkFounders, checkMemory, openExhibit, readGenesis } from "../verify.js";
import { refused } from "./assert.js";
import { canonical } from "./forge.js";
import { random } from "./random.js";
import { rememberSignatures } from "./remember.js";
import { VERIFY } from "./subjects.js";
import { filesOfLedger, filesOfProofs, ledger, proofs, trustedOfLedger, trustedOfProofs } from "./vectors.js";

const pick = random(2);
const trust = await trustedOfLedger();
const asked = { collection: "shipments", id: "S-1" };
const genesis = await readGenesis(ledger.genesis);
const certificate = await trust.certify(ledger.checkpoint_1.note);

const READERS = {
  genesis: (file) => Trust.fromGenesis(file),
  founders: (file) => checkFounders(genesis, file),
  bundle: (file) => Trust.fromBundle(file, ledger.genesis_hash),
  pinned: (file) => Trust.fromPinnedEpoch(file),
  ...Object.fromEntries(
    Object.entries(VERIFY).map(([kind, verify]) => [kind, (file) => verify(trust, file, asked)]),
  ),
  exhibit: (file) => openExhibit(file, ledger.genesis_hash),
  memory: (file) => checkMemory(trust, file, certificate),
};

// One of each kind, where nothing that the readers trust makes it right.
const GOOD = [
  ledger.genesis,
  ledger.checkpoint_1.note,
  proofs.trust_bundle,
  proofs.pinned_epoch,
  proofs.exhibit,
  ...oneOfEach(filesOfLedger()),
  ...oneOfEach(filesOfProofs().filter(({ kind }) => kind !== "evidence")),
  ...Object.values(proofs.evidence).map(({ file }) => file),
];

function oneOfEach(files) {
  return [...new Map(files.map(({ kind, file }) => [kind, file])).values()];
}

async function refusedByAll(file, what) {
  for (const [name, read] of Object.entries(READERS)) await refused(null, () => read(file), `${what} as ${name}`);
}

test("files of no form at all are refused by every reader", async () => {
  const files = [
    "",
    " ",
    "\n",
    "null",
    "true",
    "0",
    "[]",
    "{}",
    '""',
    "{",
    "[",
    '"',
    "\u0000",
    "c2sp.org/tlog-proof@v1",
    "c2sp.org/tlog-proof@v1\n\n",
    "\n\n",
    "\n\n\n\n",
    Uint8Array.of(0xff),
    Uint8Array.of(0xed, 0xa0, 0x80),
    "\ud800",
    '{"kind":"exhibit"}',
    '{"kind":"receipt"}',
    '{"kind":null,"v":1}',
    '{"__proto__":{},"v":1}',
    "[".repeat(1_000_000),
    '{"a":'.repeat(1_000_000),
    `[${"[],".repeat(200_000)}[]]`,
    `"${"\\".repeat(1_000_000)}"`,
    "9".repeat(1_000_000),
    "1e".repeat(1000),
    "\n".repeat(100_000),
    `c2sp.org/tlog-proof@v1\nextra ${"A".repeat(200_000)}\nindex 0\n\n`,
    `x\n1\n\n${"\u2014 ".repeat(10_000)}`,
  ];
  for (const file of files)
    await refusedByAll(file, JSON.stringify(typeof file === "string" ? file.slice(0, 40) : file));
});

test("a file of one kind is refused as another", async () => {
  const kinds = {
    bundle: proofs.trust_bundle,
    pinned: proofs.pinned_epoch,
    receipt: proofs.receipts.applied.file,
    state: proofs.states.present.file,
    history: proofs.histories.whole.file,
    consistency: proofs.consistencies.across.file,
    evidence: proofs.evidence.fork.file,
    exhibit: proofs.exhibit,
    genesis: proofs.genesis,
  };
  for (const [kind, file] of Object.entries(kinds)) {
    for (const [name, read] of Object.entries(READERS)) {
      if (name !== kind)
        await refused("file", () => read(file), `${kind} as ${name}`).catch((error) => refusedOtherwise(error, name));
    }
  }
});

// A canonical object is a genesis or a list of founders but for its members.
function refusedOtherwise(error, name) {
  if (!["genesis", "founders"].includes(name) || !/refused by genesis/.test(error.message)) throw error;
}

test("files cut short, and files with a piece cut out, are refused", async () => {
  for (const file of GOOD) {
    const bytes = utf8(file);
    for (let i = 0; i < 40; i++) {
      const cut = pick(bytes.length);
      await refusedByAll(bytes.subarray(0, cut), "a beginning");
      await refusedByAll(bytes.subarray(cut + 1), "an end");
    }
  }
});

test("random bytes, and random JSON of our words, are refused by Refusals alone", async () => {
  const words = [
    "kind",
    "v",
    "seal",
    "proof",
    "record",
    "siblings",
    "earlier",
    "members",
    "organisations",
    "__proto__",
    "constructor",
    "toString",
    "length",
    "a.example",
  ];
  const value = (depth) => {
    switch (pick(depth > 4 ? 5 : 7)) {
      case 0:
        return null;
      case 1:
        return pick(3);
      case 2:
        return words[pick(words.length)];
      case 3:
        return "ab".repeat(32);
      case 4:
        return pick(2) === 0;
      case 5:
        return Array.from({ length: pick(4) }, () => value(depth + 1));
      default: {
        const object = {};
        for (let i = pick(6); i > 0; i--)
          Object.defineProperty(object, words[pick(words.length)], {
            value: value(depth + 1),
            enumerable: true,
            configurable: true,
          });
        return object;
      }
    }
  };
  for (let i = 0; i < 300; i++) {
    await refusedByAll(
      Uint8Array.from({ length: pick(300) }, () => pick(256)),
      "random bytes",
    );
    await refusedByAll(canonical(value(0)), "random JSON");
  }
});

/** Every way to put a value of another type where a member was, in a file that is otherwise right. */
function* retyped(value, rebuild) {
  for (const other of [null, true, 0, -1, 1.5, 9007199254740991, "", "x", [], {}, [[]], { "": null }])
    yield rebuild(other);
  if (typeof value !== "object" || value === null) return;
  for (const name of Object.keys(value)) {
    const rebuilt = (part) =>
      rebuild(
        Array.isArray(value) ? value.map((item, i) => (String(i) === name ? part : item)) : { ...value, [name]: part },
      );
    yield* retyped(value[name], rebuilt);
  }
}

test("members of every other type are refused by Refusals alone", async (t) => {
  rememberSignatures(t);
  let count = 0;
  const known = await trustedOfProofs();
  const absent = filesOfLedger().find(({ name }) => name === "ledger state neighbour");
  const subjects = [
    [READERS.genesis, ledger.genesis],
    [(file) => VERIFY.state(trust, file, absent), absent.file],
    [(file) => Trust.fromBundle(file, proofs.genesis_hash), proofs.trust_bundle],
    [READERS.pinned, proofs.pinned_epoch],
    [(file) => openExhibit(file, proofs.genesis_hash), proofs.exhibit],
  ];
  const chosen = ["history whole", "consistency across"];
  for (const of of filesOfProofs().filter(({ name, kind }) => chosen.includes(name) || kind === "evidence"))
    subjects.push([(file) => VERIFY[of.kind](known, file, of), of.file]);
  for (const [read, file] of subjects) {
    for (const altered of retyped(JSON.parse(file), (value) => value)) {
      count += 1;
      // Some are right by chance, as a history from height 0 on: what they claim is the mutation tests' affair.
      await read(canonical(altered)).catch((error) => {
        if (error.name !== "Refusal") throw error;
      });
    }
  }
  assert.ok(count > 300);
});

test("a file that is too large is refused at once", async () => {
  const begun = performance.now();
  const huge = "a".repeat(200 * 1024 * 1024);
  for (const [name, read] of Object.entries(READERS)) await refused("file", () => read(huge), name);
  assert.ok(performance.now() - begun < 5000);
});

test("a large file of the wrong content is refused in time", async () => {
  const begun = performance.now();
  const inner = `[${"[],".repeat(2_000_000)}[]]`;
  await refused("file", () =>
    READERS.history(`{"earlier":${inner},"from":0,"kind":"history-proof","state":{},"to":0,"v":1}`),
  );
  await refused("epochs", () =>
    READERS.exhibit(
      `{"kind":"exhibit","proof":"","trust":{"changes":${inner},"genesis":{},"kind":"trust-bundle","v":1},"v":1}`,
    ),
  );
  assert.ok(performance.now() - begun < 30_000);
});
