// Random guests under a technique and under `emulate`, side by side. As long as no leak was counted, the two must be equal to the last
// byte: what the probes do not see and lock-step does is a hole of the oracle, or a fault of the monitor. Shadow modes, too.
// TRAPSCOPE_AGREEMENT_GUESTS runs more of them, TRAPSCOPE_HOSTILE_SEED begins elsewhere.
import { expect, it } from "vitest";
import { X87_BASE, XMM_BASE } from "../../src/isa/state-layout.ts";
import { setGuestRegisters } from "../../src/machine/guest-registers.ts";
import { Machine } from "../../src/machine/machine.ts";
import { memoryDifference, registerDifferences } from "../../src/machine/machine-state.ts";
import type { TechniqueId } from "../../src/protocol/technique.ts";
import { optionsOfKey } from "../support/guest-run.ts";
import { createPrng } from "../support/prng.ts";
import { RAM_BYTES, randomWorld } from "./random-world.ts";

const GUESTS = Number(process.env["TRAPSCOPE_AGREEMENT_GUESTS"] ?? 2), FIRST = Number(process.env["TRAPSCOPE_HOSTILE_SEED"] ?? 1);
const INSTRUCTIONS = 6_000;
/** Seeds that found something once. 5050: SMSW of a 32-bit register showed the monitor's PG uncounted. */
const PAST = [5050];

const machineUnder = (key: string): Machine => {
  const { technique, ring, set } = optionsOfKey(key);
  return new Machine({ memoryBytes: RAM_BYTES, technique: technique as TechniqueId, ring, set, clock: "virtual", drives: {} });
};

function begin(machine: Machine, seed: number): void {
  const random = createPrng(seed), wild = seed % 3 === 0;
  machine.reset();
  const { ram, registers } = randomWorld(random, { wild, system: wild ? 45 : 12 });
  machine.physical.writeBytes(0, ram.subarray(0, 0xa_0000));
  machine.physical.writeBytes(0x10_0000, ram.subarray(0x10_0000));
  setGuestRegisters(machine, registers);
  machine.cpu.state.u8.fill(0, X87_BASE, X87_BASE + 0x100);
  machine.cpu.state.u8.fill(0, XMM_BASE, XMM_BASE + 0x80);
}

/** What differs though nothing leaked, or null. */
function disagreement(bare: Machine, other: Machine, seed: number): unknown {
  begin(bare, seed);
  begin(other, seed);
  const from = bare.core.retired() - other.core.retired(), leaks = other.supervisor.counters.get("leaks");
  const target = bare.core.retired() + INSTRUCTIONS;
  const ends = [bare.run(INSTRUCTIONS), other.run(INSTRUCTIONS)];
  if (ends[1] === "refused" || other.supervisor.counters.get("leaks") !== leaks) return null;
  if (ends[0] !== ends[1] || bare.core.retired() - other.core.retired() !== from) return ends;
  // A guest whose faults fault forever is given up after so many of them, wherever it is then.
  if (bare.core.retired() < target && ends[0] !== "halted") return null;
  const registers = registerDifferences(bare, other);
  const memory = memoryDifference(bare, other);
  return registers.length > 0 || memory !== null ? [...registers, memory] : null;
}

it.each(["trap/1 shadow=cached", "trap/1 shadow=unsync", "translate/1 shadow=batch", "vtx/1 shadow=drop-all", "vtx/1 shadow=unsync", "scan/3 scan-views=harvard", "hybrid/1 hybrid=kernel"])("random guests under %s are those of bare metal until something leaks", { timeout: 600_000 }, (key) => {
  const bare = machineUnder("emulate"), other = machineUnder(key);
  const failures = [];
  for (const seed of [...PAST, ...Array.from({ length: GUESTS }, (_, n) => FIRST + n)]) {
    if (disagreement(bare, other, seed) === null) continue;
    // A guest that leaked may have left the two different in what a reset does not clear: new machines tell.
    const found = disagreement(machineUnder("emulate"), machineUnder(key), seed);
    if (found !== null) failures.push({ seed, found });
  }
  expect(failures).toEqual([]);
});
