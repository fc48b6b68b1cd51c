// 16-bit code under a monitor: real mode runs in V86, with VME or without; "unreal" mode cannot, and is emulated and counted.
// Expectations: SDM Vol. 3, "8086 Emulation" (sensitive instructions, IOPL, VME and the interrupt redirection bit map).
import { describe, expect, it } from "vitest";
import { optionsOfKey, runGuest } from "../../test/support/guest-run.ts";

/**
 * A boot sector: phase 1, INT 60h ten times, whose handler counts; phase 2, FS gets a limit of 4 GB, is used above 1 MB, SMSW asks, and FS gets
 * 64 KB back; phase 3, as phase 1. Sends the low byte of what it stored and counted up there, and the count.
 */
const SECTOR = [
  "ea057c0000fa31c08ed88ed0bc007c", // JMP 0:start; CLI; DS, SS = 0; SP
  "e4920c02e692", // A20
  "c7068001a37c8c1e8201c606000500", // vector 60h; the count, at 500h
  "cd60b90a00b001e6e8cd60e2fcb000e6e8", // once, so that all pages are there; phase 1
  "b002e6e80f0116c07c0f20c00c010f22c0bb08008ee324fe0f22c0", // LGDT; PE; FS = 8; no PE
  "66bf00001100646667c70778563412646667ff076466678b170f01e0", // EDI = 110000h: store, INC, EDX; SMSW
  "0c010f22c0bb10008ee324fe0f22c031db8ee3b000e6e8", // PE; FS = 10h; no PE; FS = 0
  "cd60b90a00b003e6e8cd60e2fcb000e6e8", // once; phase 3
  "88d0baf803eea00005eeb000e6f4f4", // send; end
  "fe060005cf", // handler
  "0000000000000000ffff00000093cf00ffff0000009300001700a87c", // GDT, GDTR
].join("");

function image(): Uint8Array {
  const bytes = new Uint8Array(512);
  for (let i = 0; i < SECTOR.length / 2; i++) bytes[i] = Number.parseInt(SECTOR.slice(2 * i, 2 * i + 2), 16);
  bytes.set([0x55, 0xaa], 510);
  return bytes;
}

const run = (key: string) => runGuest("", { ...optionsOfKey(key), image: image(), toEnd: true });

describe("16-bit code", () => {
  // INT n and IRET fault in V86 with IOPL 0. With VME they go through the guest's own vectors and VIF.
  it.each([
    ["trap/1", { INT: 10, IRET: 10, OUT: 1 }],
    ["trap/1 vme=on", { OUT: 1 }],
    ["int3/1", { INT: 10, IRET: 10, OUT: 1 }],
    ["int3/1 vme=on", { INT: 10, IRET: 10, OUT: 1 }], // what VME lets through is planted on
    ["scan", { INT: 10, IRET: 10, OUT: 1 }],
    ["translate", {}], // inline and callouts
    ["vtx", { OUT: 1 }],
  ] as const)("%s: does what bare metal does", (key, traps) => {
    const { end, serial, phases, machine } = run(key);
    expect([end, [...serial].map((c) => c.charCodeAt(0))]).toEqual(["exit-success", [0x79, 22]]);
    expect(phases["3"]!.traps.byInstruction).toEqual(traps);
    // The frame that VME pushes shows IOPL 3: the one thing that it gives away.
    expect(phases["1"]!.leaks.byInstruction).toEqual(key === "trap/1 vme=on" ? { INT: 10 } : {});
    const limbo = Object.entries(machine.supervisor.statistics).filter(([name]) => name.startsWith("limbo: "));
    const reasons = limbo.map(([name]) => name), instructions = limbo.reduce((total, [, count]) => total + count, 0);
    if (key === "vtx") return expect(reasons).toEqual([]); // an unrestricted guest has none
    // What began it: MOV CR0 makes selectors of segment numbers that no table explains.
    expect(reasons).toContain("limbo: a segment register whose descriptor the guest's table no longer holds");
    // From each setting of PE to where FS is like a real-mode segment again: some 20 instructions; the firmware has its own.
    expect(instructions).toBeGreaterThanOrEqual(10);
    expect(instructions).toBeLessThan(400);
  });
});
