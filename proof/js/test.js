// Runs every test of the verifier: `node --test test.js`.
//
// COUNTERSIGN_VECTORS names another folder of golden vectors, COUNTERSIGN_SEED another seed of the mutations.

import "./test/limits.js";
import "./test/canonical.js";
import "./test/ed25519.js";
import "./test/merkle.js";
import "./test/c2sp_vectors.js";
import "./test/ledger_vectors.js";
import "./test/proof_vectors.js";
import "./test/certification.js";
import "./test/epochs.js";
import "./test/documents.js";
import "./test/evidence.js";
import "./test/policy.js";
import "./test/hostile.js";
import "./test/cli.js";
import "./test/mutation.js";
