// Random guests of sensitive instructions in real mode, 16-bit and 32-bit protected mode, V86, ring 0 and ring 3, under `trap` at ring
// 1 and 3 with every switch: the exits and leaks are those that a small model of the manual's tables foretells, exactly.
// A failure names its seed and the fewest steps that still fail; SEED=n runs that one alone, CASES=n as many.
import { expect, it } from "vitest";
import { createPrng, type Prng } from "../support/prng.ts";
import { type SmallGuest, TrapBench } from "../support/trap-bench.ts";
import { END, randomSteps } from "../support/trap-guest.ts";
import { type Counts, type ModelOptions, TrapModel } from "../support/trap-model.ts";

const SEEDS = process.env["SEED"] ? [Number(process.env["SEED"])] : Array.from({ length: Number(process.env["CASES"] ?? 400) }, (_, i) => i + 1);
const STEPS = 40;

function randomGuest(random: Prng): SmallGuest {
  const flag = () => random.oneIn(2);
  const options: ModelOptions = {
    mode: random.pick(["real", "pm32", "pm16"]), ring: random.pick([1, 3]), umip: random.oneIn(4), tsd: random.oneIn(4), tricks: flag(), vme: flag(),
    ne: flag(), ldt: flag(),
  };
  return { options, start: { if: flag(), iopl: random.below(4) }, steps: randomSteps(random, options, 1 + random.below(STEPS)) };
}

function predicted(guest: SmallGuest): Counts {
  const model = new TrapModel(guest.options, guest.start);
  for (const step of [...guest.steps, END]) step.apply(model);
  return model.counts;
}

/** Runs the guest; what differs from the prediction, or "". */
function mismatch(bench: TrapBench, guest: SmallGuest): string {
  bench.boot(guest);
  try {
    const { traps, leaks, observed } = bench.run();
    const wanted = predicted(guest);
    return [
      ...compare("trap", wanted.traps, traps.byInstruction), ...compare("reason", wanted.reasons, traps.byReason),
      ...compare("leak", wanted.leaks, leaks.byInstruction), ...compare("observed", wanted.observed, observed.byInstruction),
    ].join("; ");
  } catch (error) {
    return String(error);
  }
}

function compare(what: string, wanted: Readonly<Record<string, number>>, got: Readonly<Record<string, number>>): string[] {
  return [...new Set([...Object.keys(wanted), ...Object.keys(got)])]
    .filter((name) => (wanted[name] ?? 0) !== (got[name] ?? 0))
    .map((name) => `${what} ${name}: ${got[name] ?? 0}, the manual says ${wanted[name] ?? 0}`);
}

/** Leaves steps out as long as it still fails. */
function shrink(bench: TrapBench, guest: SmallGuest): SmallGuest {
  let smallest = guest;
  for (let at = 0; at < smallest.steps.length; ) {
    const fewer = { ...smallest, steps: smallest.steps.filter((_, index) => index !== at) };
    if (mismatch(bench, fewer) !== "") smallest = fewer;
    else at++;
  }
  return smallest;
}

it("random guests exit and leak as the manual's tables say", () => {
  const bench = new TrapBench();
  for (const seed of SEEDS) {
    const guest = randomGuest(createPrng(seed));
    if (mismatch(bench, guest) === "") continue;
    const { options, start, steps } = shrink(bench, guest);
    const listing = steps.map((step) => `  ${step.name}`).join("\n");
    expect.fail(`seed ${seed}, ${JSON.stringify(options)} from ${JSON.stringify(start)}:\n${listing}\n${mismatch(bench, { options, start, steps })}`);
  }
}, 600_000);
