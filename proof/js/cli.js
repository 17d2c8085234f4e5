#!/usr/bin/env node
// Verifies one file from the command line: exit code 0 when it is verified, 2 for wrong usage, 11 when it is refused.

import { readFile, stat } from "node:fs/promises";
import { parseArgs } from "node:util";
import { EXHIBIT_BYTES_MAX } from "./limits.js";
import { describeTrust, report } from "./report.js";
import * as verifier from "./verify.js";

const USAGE = `usage: node cli.js receipt|state|history|consistency|trust|evidence FILE TRUST [--json]
  TRUST is what is trusted beforehand, one of
    --genesis FILE [--genesis-hash HEX]   epoch 0, as the genesis file gives it
    --genesis-hash HEX --trust FILE       the epochs of a trust bundle (the hash may come from --genesis FILE)
    --genesis-hash HEX                    enough for an exhibit, which brings its bundle, and for the command trust
    --epoch FILE                          one pinned epoch
    --policy FILE --origin ORIGIN         a C2SP tlog-policy, for one ledger
  state and history ask about --collection C --id I
exit codes: 0 verified, 2 wrong usage, 11 refused`;

const COMMANDS = {
  receipt: (trust, file) => verifier.verifyReceipt(trust, file),
  state: (trust, file, { collection, id }) => verifier.verifyState(trust, file, collection, id),
  history: (trust, file, { collection, id }) => verifier.verifyHistory(trust, file, collection, id),
  consistency: (trust, file) => verifier.verifyConsistency(trust, file),
  evidence: (trust, file) => verifier.verifyEvidence(trust, file),
};
const OPTIONS = ["genesis", "genesis-hash", "trust", "epoch", "policy", "origin", "collection", "id"];

class UsageError extends Error {}

async function main() {
  const { command, path, options } = readArguments();
  const result = command === "trust" ? await verifyTrust(path, options) : await verifyProof(command, path, options);
  const sentences = report(result);
  if (options.json) return console.log(JSON.stringify({ verified: true, ...result, ...sentences }));
  console.log(`verified: ${result.kind}`);
  for (const sentence of sentences.proved) console.log(`  proved: ${printable(sentence)}`);
  for (const sentence of sentences.not_proved) console.log(`  not proved: ${printable(sentence)}`);
}

function readArguments() {
  let parsed;
  try {
    const options = Object.fromEntries(OPTIONS.map((name) => [name, { type: "string" }]));
    parsed = parseArgs({ options: { ...options, json: { type: "boolean" } }, allowPositionals: true });
  } catch (error) {
    throw new UsageError(error.message);
  }
  const {
    values: options,
    positionals: [command, path, ...rest],
  } = parsed;
  const known = command === "trust" || Object.hasOwn(COMMANDS, command ?? "");
  if (!known || path === undefined || rest.length > 0) throw new UsageError("a command and one file are needed");
  const asks = command === "state" || command === "history";
  const question = [options.collection, options.id].filter((part) => part !== undefined).length;
  if (question !== (asks ? 2 : 0))
    throw new UsageError("state and history, and only they, ask about --collection and --id");
  const hash = options["genesis-hash"];
  if (hash !== undefined && !/^[0-9a-f]{64}$/.test(hash))
    throw new UsageError("--genesis-hash is 64 lower-case hexadecimal digits");
  const anchors = [options.genesis ?? hash ?? options.trust, options.epoch, options.policy ?? options.origin];
  if (anchors.filter((anchor) => anchor !== undefined).length !== 1)
    throw new UsageError("a genesis, an epoch or a policy is to be trusted, and one of them");
  if ((options.policy === undefined) !== (options.origin === undefined))
    throw new UsageError("--policy and --origin go together");
  if (options.trust !== undefined && (hash ?? options.genesis) === undefined)
    throw new UsageError("--trust needs a genesis hash");
  return { command, path, options };
}

async function verifyProof(command, path, options) {
  let file = await read(path);
  const genesisHash = await trustedHash(options);
  let trust = await ownTrust(options, genesisHash);
  if (verifier.isExhibit(file)) {
    ({ proof: file, trust } = await verifier.openExhibit(file, trust?.genesisHash ?? genesisHash, trust));
  }
  if (!trust) throw new UsageError("a genesis hash alone is enough only for an exhibit");
  return COMMANDS[command](trust, file, options);
}

async function verifyTrust(path, options) {
  const { trust: bundle, epoch, policy } = options;
  if ((bundle ?? epoch ?? policy) !== undefined) throw new UsageError("trust takes a genesis or its hash");
  const file = await read(path);
  const genesisHash = await trustedHash(options);
  const { trust } = verifier.isExhibit(file)
    ? await verifier.openExhibit(file, genesisHash)
    : { trust: await verifier.Trust.fromBundle(file, genesisHash) };
  return describeTrust(trust);
}

/** The genesis hash that the options give, checked against the genesis file if there is one. */
async function trustedHash({ genesis, "genesis-hash": hash }) {
  return genesis === undefined ? hash : (await verifier.readGenesis(await read(genesis), hash)).hash;
}

async function ownTrust({ genesis, trust, epoch, policy, origin }, genesisHash) {
  if (policy !== undefined) return verifier.PolicyTrust.read(await readBytes(policy), origin);
  if (epoch !== undefined) return verifier.Trust.fromPinnedEpoch(await read(epoch));
  if (trust !== undefined) return verifier.Trust.fromBundle(await read(trust), genesisHash);
  return genesis === undefined ? null : verifier.Trust.fromGenesis(await read(genesis), genesisHash);
}

async function read(path) {
  const bytes = await readBytes(path);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new verifier.Refusal("file", `${path} is not UTF-8`);
  }
}

async function readBytes(path) {
  try {
    const { size } = await stat(path);
    if (size > EXHIBIT_BYTES_MAX)
      throw new verifier.Refusal("file", `${path} has more than ${EXHIBIT_BYTES_MAX} bytes`);
    return await readFile(path);
  } catch (error) {
    if (error instanceof verifier.Refusal) throw error;
    throw new UsageError(`cannot read ${path}: ${error.code}`);
  }
}

// A proof's text could otherwise move the cursor or colour what the terminal shows.
function printable(text) {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => `\\u{${character.codePointAt(0).toString(16)}}`);
}

try {
  await main();
} catch (error) {
  if (error instanceof verifier.Refusal) {
    console.error(printable(`refused: ${error.check}: ${error.message}`));
    process.exitCode = 11;
  } else if (error instanceof UsageError) {
    console.error(`${error.message}\n${USAGE}`);
    process.exitCode = 2;
  } else {
    throw error;
  }
}
