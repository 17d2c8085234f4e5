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
import { filesOfLedger, filesOfProofs, proofs, trustedOfLedger, trustedOfProofs } from "./vectors.js";

/** How a file of each kind is verified, about the document that it is asked about. */
export const VERIFY = {
  receipt: (trust, file) => verifyReceipt(trust, file),
  state: (trust, file, { collection, id }) => verifyState(trust, file, collection, id),
  history: (trust, file, { collection, id }) => verifyHistory(trust, file, collection, id),
  consistency: (trust, file) => verifyConsistency(trust, file),
  evidence: (trust, file) => verifyEvidence(trust, file),
};

/** Every proof of the vectors: `{name, kind, file, collection, id, verify, claim}`, and of a history `all` its versions. */
export async function subjects() {
  const found = [];
  const add = async (subject, verify) => found.push({ ...subject, verify, claim: await verify(subject.file) });
  const addAll = async (files, trust) => {
    for (const asked of files) await add(asked, (file) => VERIFY[asked.kind](trust, file, asked));
  };
  await addAll(filesOfLedger(), await trustedOfLedger());
  const trust = await trustedOfProofs();
  const files = filesOfProofs();
  await addAll(files, trust);
  const receipts = files.filter(({ kind }) => kind === "receipt");
  const asJson = receipts.map(({ name, kind, json }) => ({ name: `${name} as JSON`, kind, file: json }));
  await addAll(asJson, trust);
  const histories = found.filter(({ kind }) => kind === "history");
  for (const history of histories) {
    const ofSame = histories.filter(({ id }) => id === history.id).map(({ claim }) => claim.versions);
    history.all = ofSame.sort((a, b) => b.length - a.length)[0];
  }
  await add({ name: "bundle", file: proofs.trust_bundle }, async (file) =>
    describeTrust(await Trust.fromBundle(file, proofs.genesis_hash)),
  );
  await add({ name: "exhibit", file: proofs.exhibit }, async (file) => {
    const opened = await openExhibit(file, proofs.genesis_hash);
    return { ...(await verifyReceipt(opened.trust, opened.proof)), trust: describeTrust(opened.trust) };
  });
  return found;
}
