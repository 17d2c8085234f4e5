// Judges one file as the words of a command line ask, and says with which exit code that ends.

import { readFile, stat } from "node:fs/promises";
import { parseArgs } from "node:util";
import { EXHIBIT_BYTES_MAX } from "./limits.js";
import { describeTrust } from "./report.js";
import * as verifier from "./verify.js";

const COMMANDS = {
  receipt: (trust, file) => verifier.verifyReceipt(trust, file),
  state: (trust, file, { collection, id }) => verifier.verifyState(trust, file, collection, id),
  history: (trust, file, { collection, id }) => verifier.verifyHistory(trust, file, collection, id),
  consistency: (trust, file) => verifier.verifyConsistency(trust, file),
  evidence: (trust, file) => verifier.verifyEvidence(trust, file),
};
const OPTIONS = ["genesis", "genesis-hash", "trust", "epoch", "policy", "origin", "collection", "id"];

/** What is wrong with the command line, or a file it names that cannot be read. */
export class UsageError extends Error {}

/** `{result, json}`: what the command's words ask for, verified, and whether it is to be printed as JSON. */
export async function judge(words) {
  const { command, path, options } = readArguments(words);
  const result = command === "trust" ? await verifyTrust(path, options) : await verifyProof(command, path, options);
  return { result, json: options.json ?? false };
}

/** With which code the command line ends: for a result that holds, or for what was thrown. */
export function exitCode(outcome) {
  if (outcome instanceof verifier.Refusal) return 11;
  if (outcome instanceof UsageError) return 2;
  return outcome.shown === false ? 13 : 0;
}

function readArguments(words) {
  let parsed;
  try {
    const options = Object.fromEntries(OPTIONS.map((name) => [name, { type: "string" }]));
    parsed = parseArgs({ args: words, options: { ...options, json: { type: "boolean" } }, allowPositionals: true });
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
  // An exhibit is refused: what it holds as its proof would be followed by nobody.
  return describeTrust(await verifier.Trust.fromBundle(file, genesisHash));
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
