#!/usr/bin/env node
// Verifies one file from the command line, prints what is proved, and ends as USAGE says.

import { UsageError, exitCode, judge } from "./command.js";
import { report } from "./report.js";
import { Refusal } from "./verify.js";

const USAGE = `usage: node cli.js receipt|state|history|consistency|trust|evidence FILE TRUST [--json]
  TRUST is what is trusted beforehand, one of
    --genesis FILE [--genesis-hash HEX]   epoch 0, as the genesis file gives it
    --genesis-hash HEX --trust FILE       the epochs of a trust bundle (the hash may come from --genesis FILE)
    --genesis-hash HEX                    enough for an exhibit, which brings its bundle, and for the command trust
    --epoch FILE                          one pinned epoch
    --policy FILE --origin ORIGIN         a C2SP tlog-policy, for one ledger
  state and history ask about --collection C --id I
exit codes: 0 verified, 2 wrong usage, 11 refused, 13 the signatures hold, and only an audit can show the rest: evidence
of a false seal, for which run countersign audit --level full`;

try {
  const { result, json } = await judge(process.argv.slice(2));
  print(result, json);
  process.exitCode = exitCode(result);
  if (process.exitCode === 13) console.error("the signatures hold; whether the seal is false: countersign audit --level full");
} catch (error) {
  if (error instanceof Refusal) console.error(printable(`refused: ${error.check}: ${error.message}`));
  else if (error instanceof UsageError) console.error(`${error.message}\n${USAGE}`);
  else throw error;
  process.exitCode = exitCode(error);
}

function print(result, json) {
  const sentences = report(result);
  const verified = exitCode(result) === 0;
  if (json) return console.log(JSON.stringify({ verified, ...result, ...sentences }));
  console.log(verified ? `verified: ${result.kind}` : `the signatures hold, not yet verified: ${result.kind}`);
  for (const sentence of sentences.proved) console.log(`  proved: ${printable(sentence)}`);
  for (const sentence of sentences.not_proved) console.log(`  not proved: ${printable(sentence)}`);
}

// A proof's text could otherwise move the cursor or colour what the terminal shows.
function printable(text) {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => `\\u{${character.codePointAt(0).toString(16)}}`);
}
