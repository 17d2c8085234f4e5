// Opens exhibits: one file with a proof and the epochs under which it is to be believed.

import { utf8 } from "./bytes.js";
import { encode, parse } from "./canonical.js";
import { hasExactly } from "./form.js";
import { EXHIBIT_BYTES_MAX, EXHIBIT_DEPTH_MAX, TRUST_BYTES_MAX } from "./limits.js";
import { demand } from "./refusal.js";
import { Trust } from "./trust.js";

/** Whether a file can be an exhibit: in canonical form it begins so. */
export function isExhibit(text) {
  return text.startsWith('{"kind":"exhibit",');
}

/**
 * `{proof, trust}` of an exhibit: the text of its proof, and what is known under the genesis hash the caller trusts.
 * With `own`, which the caller trusts already, both must agree and the newer memberships count.
 */
export async function openExhibit(file, genesisHash, own = null) {
  const exhibit = parse(file, { bytes: EXHIBIT_BYTES_MAX, nesting: EXHIBIT_DEPTH_MAX });
  const formed = hasExactly(exhibit, "kind proof trust v") && exhibit.kind === "exhibit" && exhibit.v === 1;
  demand(formed && typeof exhibit.proof === "string", "file", "not an exhibit");
  demand(!isExhibit(exhibit.proof), "file", "an exhibit of an exhibit");
  demand(utf8(encode(exhibit.trust)).length <= TRUST_BYTES_MAX, "file", "a trust bundle of more than 64 MiB");
  const trust = await Trust.fromParsedBundle(exhibit.trust, genesisHash);
  return { proof: exhibit.proof, trust: own ? own.joinedWith(trust) : trust };
}
