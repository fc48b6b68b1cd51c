// A trap for tests: a POPF that lost its write, with whatever the test changes.

import type { TrapFields } from "./trap-fields.ts";

export function testTrap(changes: Partial<TrapFields> = {}): TrapFields {
  return {
    seq: 7, kind: "leak", technique: "trap", instruction: "POPF", text: "popfd", bytes: Uint8Array.of(0x9d), cs: 0x60, eip: 0xc010_0042, linear: 0xc010_0042,
    icount: 1234, timeNs: 2_000_000, vcpl: 0, hcpl: 1, mode: "pm32", reason: null, vector: null, error: null, action: "lost-write",
    observed: 0x46, expected: 0x246, effect: "write lost: IF stays 0, bare metal 1", ...changes,
  };
}

/** An exit of CLI with #GP(0). */
export function testExit(changes: Partial<TrapFields> = {}): TrapFields {
  return testTrap({
    kind: "exit", instruction: "CLI", text: "cli", bytes: Uint8Array.of(0xfa), reason: "#GP", vector: 13, error: 0, action: "emulate", observed: null,
    expected: null, effect: "IF 1->0", ...changes,
  });
}
