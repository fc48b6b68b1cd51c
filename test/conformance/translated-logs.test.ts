// Bundled guests with everything translated at its first execution, and with nothing translated: outcome, serial output, number of
// instructions, trap log and leaks must be the same, byte for byte.

import { describe, expect, it } from "vitest";
import { builtinBios, builtinVgaBios } from "../../src/firmware/bios.ts";
import { Machine } from "../../src/machine/machine.ts";
import type { TechniqueId } from "../../src/protocol/technique.ts";
import { guestImage } from "../support/guest-expectations.ts";

const INSTRUCTIONS = 3e6, SLICE = 777_777;
/** All of them with TRAPSCOPE_LONG=1. */
const GUESTS = process.env["TRAPSCOPE_LONG"] ? ["popf", "rings", "tables", "irqsave", "iret", "priv", "compute"] : ["rings", "irqsave", "priv", "compute"];
const EAGER = { threshold: 1, promotion: 8, batch: 1, patience: 0 };

interface Run {
  readonly end: string;
  readonly serial: string;
  readonly retired: number;
  readonly exits: number;
  readonly guestNs: number;
  readonly ring: Buffer;
  readonly translated: number;
}

function run(guest: string, technique: TechniqueId, jit: false | typeof EAGER): Run {
  const image = guestImage(guest);
  const machine = new Machine({
    memoryBytes: 16 << 20, technique, ring: 1, set: {}, clock: "virtual", jit,
    firmware: { bios: builtinBios(), vgabios: builtinVgaBios() },
    drives: { fda: { size: image.length, read: (offset, into) => void into.set(image.subarray(offset, offset + into.length)) } },
  });
  let serial = "";
  machine.events.serial = (_port, byte) => {
    serial += String.fromCharCode(byte);
  };
  let end = "budget";
  while (end === "budget" && machine.core.retired() < INSTRUCTIONS) end = machine.run(SLICE);
  const { trapRing, trapSites } = machine.map.view;
  return {
    end, serial, retired: machine.core.retired(), exits: machine.cpu.exitCount, guestNs: machine.clock.nowNs(),
    ring: Buffer.from(machine.map.buffer, trapRing, trapSites - trapRing),
    translated: machine.translations?.counters.instructions ?? 0,
  };
}

describe("nothing shows that code is translated", () => {
  for (const technique of ["emulate", "trap"] as const) {
    for (const guest of GUESTS) {
      it(`${guest} under ${technique}`, () => {
        const { ring: expectedRing, translated: none, ...expected } = run(guest, technique, false);
        const { ring, translated, ...actual } = run(guest, technique, EAGER);
        expect(actual).toEqual(expected);
        expect(Buffer.compare(ring, expectedRing)).toBe(0);
        expect(none).toBe(0);
        expect(translated).toBeGreaterThan(100);
      });
    }
  }
});
