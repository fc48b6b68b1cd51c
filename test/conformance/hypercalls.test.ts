// The disks of paravirt's kernels: lists of sectors in one call. docs/hypercalls.md states the calls.
import { describe, expect, it } from "vitest";
import { EAX } from "../../src/isa/state-layout.ts";
import { CODE, dword, flatGuest } from "../support/flat-guest.ts";

const BLK_KICK = 16, BLK_INFO = 17, SCHED_BLOCK = 9;
const SECTORS = 64, LIST = 0x4000, BUFFER = 0x6000, INFO = 0x5000, MEMORY = 2 << 20;

/** mov eax,call; mov ebx,b; mov ecx,c; int 82h; the result to ESI; sched_block */
function run(call: number, b: number, c: number, list: readonly number[] = []) {
  const bytes = Uint8Array.from({ length: SECTORS * 512 }, (_, at) => (at >>> 9) + at);
  const hda = { size: bytes.length, read: (offset: number, into: Uint8Array) => void into.set(bytes.subarray(offset, offset + into.length)) };
  const program = [0xb8, ...dword(call), 0xbb, ...dword(b), 0xb9, ...dword(c), 0xcd, 0x82, 0x89, 0xc6, 0xb8, ...dword(SCHED_BLOCK), 0xcd, 0x82];
  const machine = flatGuest(program, "paravirt", 1, { drives: { hda } });
  machine.physical.writeBytes(LIST, Uint8Array.from(list.flatMap(dword)));
  machine.physical.writeBytes(BUFFER, Uint8Array.from({ length: 512 }, () => 0x77));
  expect(machine.run(1000)).toBe("halted");
  const memory = (at: number, length: number): Uint8Array => new Uint8Array(machine.map.buffer, machine.map.ram + at, length);
  return { result: machine.cpu.state.gpr(EAX + 6), exits: machine.cpu.exitCount, memory, sector: (nth: number) => bytes.subarray(nth * 512, nth * 512 + 512) };
}

describe("blk_kick", () => {
  it("reads and writes sectors in order, in one exit", () => {
    const { result, exits, memory, sector } = run(BLK_KICK, LIST, 3, [1, 0, 7, BUFFER, 0, 0, 63, BUFFER, 0, 0, 7, BUFFER + 0x201]);
    expect([result, exits]).toEqual([3, 2]);
    expect([...memory(BUFFER, 512)]).toEqual([...sector(63)]);
    expect(memory(BUFFER + 0x201, 512).every((byte) => byte === 0x77)).toBe(true); // what was written first
  });

  it.each([
    ["a sector behind the disk's end", [0, 0, 62, BUFFER, 0, 0, SECTORS, BUFFER], 1], ["a disk that is not there", [0, 1, 0, BUFFER], 0],
    ["memory that is not there", [0, 0, 0, MEMORY - 511], 0],
  ] as const)("stops at %s", (_, list, done) => {
    expect(run(BLK_KICK, LIST, list.length / 4, list).result).toBe(done);
  });

  it("stops where the list leaves memory, and nothing is read to address 0", () => {
    const { result, memory } = run(BLK_KICK, MEMORY - 16, 2, []);
    expect(result).toBe(1); // sixteen zeros: sector 0 to address 0
    expect([...memory(0, 512)]).toEqual(Array.from({ length: 512 }, (_, at) => at & 0xff));
    expect(run(BLK_KICK, MEMORY, 2, []).memory(0, 512).every((byte) => byte === 0)).toBe(true);
  });
});

it("blk_info says what the HAL says of the disks", () => {
  const { result, memory } = run(BLK_INFO, INFO, 0);
  const words = new DataView(memory(INFO, 96).slice().buffer);
  expect([result, words.getUint32(0, true), words.getUint32(20, true), words.getUint32(24, true)]).toEqual([1, 1, SECTORS, 0]);
  expect(run(BLK_INFO, CODE + MEMORY, 0).result).toBe(0);
});
