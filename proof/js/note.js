// Reads C2SP signed notes, and finds the keys that their lines name.

import { unbase64, hex, utf8 } from "./bytes.js";
import { sha256 } from "./hash.js";
import { COSIGNATURE_TIME_MAX, NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX } from "./limits.js";
import { demand } from "./refusal.js";

export const LOG_SIGNATURE = 0x01;
export const COSIGNATURE = 0x04;

/** `{text, lines: [{name, id, signature}]}` of a note; `text` is what the lines sign. */
export function parseNote(note) {
  demand(typeof note === "string" && utf8(note).length <= NOTE_BYTES_MAX, "file", "a note of more than 64 KiB");
  demand(!/[\u0000-\u0009\u000b-\u001f]/.test(note), "file", "a control character in a note");
  // The text may contain empty lines: the last one separates.
  const end = note.lastIndexOf("\n\n") + 1;
  const signatures = note.slice(end + 1);
  demand(end > 0 && signatures.endsWith("\n"), "file", "a note without signature lines");
  const lines = signatures.slice(0, -1).split("\n");
  demand(lines.length <= NOTE_SIGNATURES_MAX, "file", `a note with more than ${NOTE_SIGNATURES_MAX} signature lines`);
  return { text: note.slice(0, end), lines: lines.map(parseLine) };
}

function parseLine(line) {
  const [dash, name, encoded, ...rest] = line.split(" ");
  const named = dash === "\u2014" && encoded !== undefined && rest.length === 0 && name !== "";
  demand(named && !/[\p{White_Space}+]/u.test(name), "file", "a malformed signature line");
  const payload = unbase64(encoded);
  demand(payload && payload.length > 4, "file", "a signature line whose base64 is malformed");
  return { name, id: hex(payload.subarray(0, 4)), signature: payload.subarray(4) };
}

export async function keyId(name, type, key) {
  return hex((await sha256(utf8(`${name}\n`), Uint8Array.of(type), key.bytes)).subarray(0, 4));
}

/**
 * Whether a line holds under a key of the given type, and when it says it was made:
 * null, or `{time}` with null for a log signature, which has none.
 */
export async function checkLine(text, line, type, key) {
  if (type === LOG_SIGNATURE) {
    return (await key.verify(utf8(text), line.signature)) ? { time: null } : null;
  }
  if (line.signature.length !== 8 + 64) return null;
  const view = new DataView(line.signature.buffer, line.signature.byteOffset, 8);
  const time = view.getBigUint64(0);
  if (time > COSIGNATURE_TIME_MAX) return null;
  const message = utf8(`cosignature/v1\ntime ${time}\n${text}`);
  // Seconds beyond 2^53 would lose digits as a number, and no clock tells them.
  return (await key.verify(message, line.signature.subarray(8))) ? { time: Number(time) } : null;
}
