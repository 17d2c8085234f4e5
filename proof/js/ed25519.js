// Checks Ed25519 signatures as strictly as `verify_strict` of ed25519-dalek, in whatever runtime.

import { unhex, utf8 } from "./bytes.js";
import { BASE, ORDER, combine, decodePoint, isSame, isSmallOrder, littleEndian, negate } from "./curve.js";
import { sha512, subtle } from "./hash.js";
import { Refusal } from "./refusal.js";

/** A public key: a canonical encoding of a point that is not of small order. */
export class PublicKey {
  static KEY = /^ed25519:[0-9a-f]{64}$/;
  #point;
  #imported;

  /** The key written as `ed25519:<64 hex>`, or null. */
  static parse(text) {
    if (typeof text !== "string" || !PublicKey.KEY.test(text)) return null;
    const bytes = unhex(text.slice("ed25519:".length));
    const point = decodePoint(bytes);
    return point && !isSmallOrder(point) ? new PublicKey(text, bytes, point) : null;
  }

  constructor(text, bytes, point) {
    this.text = text;
    this.bytes = bytes;
    this.#point = point;
  }

  /**
   * Whether the signature holds: S below the group order, R canonical and not of small order, and SB = R + kA.
   *
   * Runtimes differ in all of these and in the cofactor, so that their own answer is needed but is not enough.
   */
  async verify(message, signature) {
    if (signature.length !== 64) return false;
    const s = littleEndian(signature.subarray(32));
    if (s >= ORDER) return false;
    const r = decodePoint(signature.subarray(0, 32));
    if (!r || isSmallOrder(r)) return false;
    if (!(await this.#runtimeAgrees(message, signature))) return false;
    const k = littleEndian(await sha512(signature.subarray(0, 32), this.bytes, message)) % ORDER;
    return isSame(combine(s, BASE, k, negate(this.#point)), r);
  }

  async #runtimeAgrees(message, signature) {
    await (runtimeChecked ??= checkRuntime());
    this.#imported ??= importKey(this.bytes);
    return subtle().verify("Ed25519", await this.#imported, signature, message);
  }
}

let runtimeChecked;

// RFC 8032, 7.1, test 1. A runtime that cannot do this, or believes it altered, must not be asked about anything else.
async function checkRuntime() {
  const signature = unhex(
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155" +
      "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
  );
  const key = await importKey(unhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"));
  const right = await subtle().verify("Ed25519", key, signature, new Uint8Array());
  const wrong = await subtle().verify("Ed25519", key, signature, utf8("other"));
  if (!right || wrong) throw new Refusal("quorum", "this runtime's Ed25519 is wrong: no signature can be checked");
}

async function importKey(bytes) {
  try {
    return await subtle().importKey("raw", bytes, { name: "Ed25519" }, false, ["verify"]);
  } catch (error) {
    if (error instanceof Refusal) throw error;
    throw new Refusal("quorum", "this runtime's WebCrypto has no Ed25519: no signature can be checked");
  }
}
