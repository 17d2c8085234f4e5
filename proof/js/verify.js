// Re-exports what a caller needs to verify Countersign's proofs in a browser or under Node 20, without any dependency.
//
// Everything is asynchronous, for WebCrypto is. A file is given as text or bytes. What does not hold throws a `Refusal`,
// whose `check` names what failed; what holds comes back as a plain object: the answer, who signed, epochs, height, size, root.

export { checkFounders, readGenesis } from "./genesis.js";
export { checkMemory } from "./memory.js";
export { verifyConsistency } from "./consistency_proof.js";
export { verifyEvidence } from "./evidence.js";
export { isExhibit, openExhibit } from "./exhibit.js";
export { PolicyTrust } from "./policy.js";
export { verifyHistory } from "./history_proof.js";
export { verifyReceipt } from "./receipt.js";
export { CHECKS, Refusal } from "./refusal.js";
export { verifyState } from "./state_proof.js";
export { Trust } from "./trust.js";
