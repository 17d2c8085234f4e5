// Reads C2SP checkpoints of exactly three lines, and checks their signature lines against keys.

import { hex, unbase64 } from "./bytes.js";
import { COSIGNATURE, checkLine, parseNote } from "./note.js";
import { Refusal, demand } from "./refusal.js";

/** `{origin, size, root, text, lines}` of a note. */
export function parseCheckpoint(note) {
  const { text, lines } = parseNote(note);
  const [origin, size, root, end, ...rest] = text.split("\n");
  demand(end === "" && rest.length === 0, "file", "a checkpoint that has not exactly three lines");
  demand(origin !== "", "file", "a checkpoint without an origin");
  const hash = unbase64(root);
  demand(hash?.length === 32, "file", "a checkpoint's root that is not a hash");
  return { origin, size: parseDecimal(size), root: hex(hash), text, lines };
}

/** A count written without leading zeros. */
export function parseDecimal(text) {
  demand(/^(?:0|[1-9][0-9]{0,15})$/.test(text), "file", "a number that is not decimal");
  const number = Number(text);
  demand(Number.isSafeInteger(number), "file", "a number above 2^53-1");
  return number;
}

/**
 * The signatures that known keys made, in the order of their lines: `[{...key, time}]`.
 *
 * `keys` is `[{name, id, type, key, ...}]`. A line of which no key has the name and id is skipped; one that fails makes
 * the whole note false. Where ids of 32 bits collide, a line holds when it does under any of the keys it may mean, and
 * counts for each of them; a member could else make a log key whose id makes another member's lines false. Without
 * `falseLines` a line that fails is skipped: for whoever does not know all keys yet.
 */
export async function checkLines({ text, lines }, keys, { falseLines = true } = {}) {
  const signatures = [];
  for (const line of lines) {
    const named = keys.filter(({ name, id }) => name === line.name && id === line.id);
    let holds = named.length === 0;
    for (const known of named) {
      const checked = await checkLine(text, line, known.type, known.key);
      if (!checked) continue;
      signatures.push({ ...known, time: checked.time });
      holds = true;
    }
    if (!holds && falseLines) throw falseLine(named[0]);
  }
  return signatures;
}

function falseLine({ type, organisation, node }) {
  const holder = node === null ? organisation : `${organisation}/${node}`;
  return type === COSIGNATURE
    ? new Refusal("quorum", `the cosignature of ${holder} is false`)
    : new Refusal("log-signature", `the log signature of ${holder} is false`);
}
