// Lets one test decode each key and check each signature only once, for thousands of mutants that carry the same ones.

import { hex } from "../bytes.js";
import { PublicKey } from "../ed25519.js";

/** Until the test `t` ends: the same key is one object, and the same key, message and signature have the same answer. */
export function rememberSignatures(t) {
  const { parse } = PublicKey;
  const keys = new Map();
  t.mock.method(PublicKey, "parse", (text) => {
    if (!keys.has(text)) keys.set(text, parse(text));
    return keys.get(text);
  });
  const { verify } = PublicKey.prototype;
  const answers = new Map();
  t.mock.method(PublicKey.prototype, "verify", async function (message, signature) {
    const asked = `${this.text} ${hex(signature)} ${hex(message)}`;
    if (!answers.has(asked)) answers.set(asked, await verify.call(this, message, signature));
    return answers.get(asked);
  });
}
