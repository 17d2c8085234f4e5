// Names the reasons for which a proof is not believed.

export const CHECKS = [
  "file",
  "genesis",
  "epochs",
  "quorum",
  "log-signature",
  "inclusion",
  "leaf",
  "state",
  "history",
  "consistency",
  "evidence",
  "claim",
  "memory",
];

export class Refusal extends Error {
  constructor(check, message) {
    super(message);
    if (!CHECKS.includes(check)) throw new TypeError(`no check is named ${check}`);
    this.name = "Refusal";
    this.check = check;
  }
}

export function demand(holds, check, message) {
  if (!holds) throw new Refusal(check, message);
}
