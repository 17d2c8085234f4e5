// Asserts that something is refused, by which check, and never with another kind of error.

import assert from "node:assert/strict";
import { Refusal } from "../verify.js";

/** Passes when the promise that `act` returns is refused by `check`, or by any check where none is named. */
export async function refused(check, act, what = "") {
  let result;
  try {
    result = await act();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    if (check) assert.equal(error.check, check, `${what} refused by ${error.check}: ${error.message}`);
    return error;
  }
  assert.fail(`${what} accepted: ${JSON.stringify(result)}`);
}
