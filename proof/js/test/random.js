// Gives reproducible numbers, so that a red run comes back with its seed.

const seed = Number(process.env.COUNTERSIGN_SEED ?? 20251124);
console.log(`COUNTERSIGN_SEED=${seed}`);

/** A generator of whole numbers below a bound (mulberry32). */
export function random(stream = 0) {
  let state = (seed + stream * 0x9e3779b9) >>> 0;
  return (bound) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  };
}
