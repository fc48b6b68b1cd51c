// The same way again, where no instruction says how far the machine has come: long repetitions, and faults on end.

import { describe, expect, it } from "vitest";
import { dword, flatGuest } from "../../test/support/flat-guest.ts";
import { stateHash } from "./snapshot.ts";
import { History } from "./replay.ts";

const CODE = 0x1000, IDT = 0x3000;
const MANY = 8_000_000;
/** MOV ECX, MANY; MOV ESI, 0FF0000h; STD; REP LODSB; JMP to the beginning. */
const REPEATING = [0xb9, ...dword(MANY), 0xbe, ...dword(0xff_0000), 0xfd, 0xf3, 0xac, 0xeb, 0xf1];

describe("the time of guest instructions", () => {
  it.each([1, 3, 4])("is the same however runs are cut: %d instructions at a time", (piece) => {
    const machine = flatGuest(REPEATING, "emulate", 1, { memoryBytes: 16 << 20 });
    while (machine.core.retired() < 60) machine.run(Math.min(piece, 60 - machine.core.retired()));
    expect(machine.clock.nowNs()).toBe(600);
  });

  it("is the same on the way back, behind a thousand faults", () => {
    // UD2 whose handler goes on behind it, over and over.
    const machine = flatGuest([0x0f, 0x0b, 0xeb, 0xfc, 0x83, 0x04, 0x24, 2, 0xcf], "emulate", 1, {}, { idtr: { base: IDT, limit: 0x37 } });
    machine.physical.writeBytes(IDT + 48, Uint8Array.from([(CODE + 4) & 0xff, (CODE + 4) >> 8, 8, 0, 0, 0x8e, 0, 0]));
    const history = new History(machine, { every: Infinity });
    history.run(5_000);
    const before = stateHash(machine);
    history.run(5_000);
    history.goTo(5_000);
    expect([machine.clock.nowNs(), stateHash(machine)]).toEqual([50_000, before]);
  });
});
