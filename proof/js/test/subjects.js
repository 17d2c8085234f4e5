// Gathers every proof of the golden vectors, each with how it is verified and what it then claims.

import { describeTrust } from "../report.js";
import {
  Trust,
  openExhibit,
  verifyConsistency,
  verifyEvidence,
  verifyHistory,
  verifyReceipt,
  verifyState,
} from "../verify.js";
import { ledger, proofs } from "./vectors.js";

/** Every proof of the vectors: `{name, file, verify, claim}`. */
export async function subjects() {
  const found = [];
  const add = async (name, file, verify, more = {}) =>
    found.push({ name, file, verify, claim: await verify(file), ...more });
  const founders = await Trust.fromGenesis(ledger.genesis, ledger.genesis_hash);
  for (const checkpoint of ["checkpoint_1", "checkpoint_2"]) {
    for (const [name, file] of Object.entries(ledger[checkpoint])) {
      if (name.startsWith("receipt_"))
        await add(`ledger ${checkpoint} ${name}`, file, (altered) => verifyReceipt(founders, altered));
    }
  }
  const { checkpoint_1: one, checkpoint_2: two } = ledger;
  const asked = [
    ["present", one.state_present, "shipments", "S-1"],
    ["withheld", one.state_present_value_withheld, "shipments", "S-1"],
    ["account", one.state_account, "$accounts", "acme.example/ops"],
    ["neighbour", one.state_absent_neighbour, "shipments", "S-3"],
    ["empty", one.state_absent_empty, "shipments", "S-4"],
    ["deleted", two.state_deleted, "shipments", "S-2"],
  ];
  for (const [name, file, collection, id] of asked)
    await add(`ledger state ${name}`, file, (altered) => verifyState(founders, altered, collection, id), {
      kind: "state",
      collection,
      id,
    });
  if (!proofs) return found;
  const trust = await Trust.fromBundle(proofs.trust_bundle, proofs.genesis_hash);
  for (const [name, { file, json }] of Object.entries(proofs.receipts)) {
    await add(`receipt ${name}`, file, (altered) => verifyReceipt(trust, altered));
    await add(`receipt ${name} as JSON`, json, (altered) => verifyReceipt(trust, altered));
  }
  for (const [name, { file, collection, id }] of Object.entries(proofs.states)) {
    await add(`state ${name}`, file, (altered) => verifyState(trust, altered, collection, id), {
      kind: "state",
      collection,
      id,
    });
  }
  for (const [name, { file, collection, id }] of Object.entries(proofs.histories)) {
    const whole = Object.values(proofs.histories)
      .filter((history) => history.id === id)
      .sort((a, b) => b.versions.length - a.versions.length)[0];
    const all = (await verifyHistory(trust, whole.file, collection, id)).versions;
    await add(`history ${name}`, file, (altered) => verifyHistory(trust, altered, collection, id), {
      kind: "history",
      collection,
      id,
      all,
    });
  }
  for (const [name, { file }] of Object.entries(proofs.consistencies))
    await add(`consistency ${name}`, file, (altered) => verifyConsistency(trust, altered));
  for (const [name, { file }] of Object.entries(proofs.evidence))
    await add(`evidence ${name}`, file, (altered) => verifyEvidence(trust, altered));
  await add("bundle", proofs.trust_bundle, async (altered) =>
    describeTrust(await Trust.fromBundle(altered, proofs.genesis_hash)),
  );
  await add("exhibit", proofs.exhibit, async (altered) => {
    const opened = await openExhibit(altered, proofs.genesis_hash);
    return { ...(await verifyReceipt(opened.trust, opened.proof)), trust: describeTrust(opened.trust) };
  });
  return found;
}
