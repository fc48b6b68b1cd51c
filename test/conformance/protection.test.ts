// The protection cases of protection/README.md on the bare processor.

import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { expect, it } from "vitest";
import { Core } from "../../src/cpu/core.ts";
import { Cpu } from "../../src/cpu/cpu.ts";
import { createHelpers } from "../../src/cpu/helpers/index.ts";
import { JUMP_CACHE_BYTES } from "../../src/cpu/interpreter.ts";
import type { PhysicalSpace } from "../../src/cpu/physical-space.ts";
import { writeRegisters } from "../../src/cpu/register-file.ts";
import type { TlbTables } from "../../src/cpu/tlb.ts";
import { ROWS } from "../../src/isa/opcode-map/index.ts";

const MB = 1 << 20, PAGE = 4096;
const RESULT_BYTES = 128, RAM_BYTES = 64 * MB, LOAD_ADDRESS = MB, ENTRY_FIELD = 0x1c, COUNT_FIELD = 0x20;
const JUMP_CACHE = 0x1_0000;
/** No case takes more instructions than this. */
const SLICE = 1_000_000;
const FIELDS = [
  "vector", "error", "eip", "cs", "eflags", "esp", "ss", "eax", "ecx", "edx", "ebx", "ebp", "esi", "edi", "ds", "es", "fs", "gs", "cr2", "cr0", "dr6", "tr",
  "ldtr", "GDT", "LDT", "stack and data", "page table", "code", "TSS 2", "TSS", "cr3", "cr4",
];

function read(name: string): Buffer {
  return gunzipSync(readFileSync(new URL(`protection/${name}`, import.meta.url)));
}

/** What the monitor program writes to port E9h after the first byte. */
function run(image: Uint8Array, entry: number): Uint8Array {
  let next = JUMP_CACHE + JUMP_CACHE_BYTES;
  const take = (bytes: number): number => {
    const at = Math.ceil(next / PAGE) * PAGE;
    next = at + bytes;
    return at;
  };
  const tables = (): TlbTables => ({
    readSupervisor: take(4 * MB), writeSupervisor: take(4 * MB), readUser: take(4 * MB), writeUser: take(4 * MB), code: take(4 * MB),
  });
  const tlb = { v: tables(), h: tables() };
  const codeCacheBegin = take(16 * MB), codeCacheEnd = next, ram = take(RAM_BYTES);
  const memoryPages = Math.ceil(next / 65_536);
  const memory = new WebAssembly.Memory({ initial: memoryPages, maximum: memoryPages, shared: true });
  new Uint8Array(memory.buffer).set(image, ram + LOAD_ADDRESS);

  const ones = (width: number): number => 2 ** (8 * width) - 1;
  const physical: PhysicalSpace = {
    a20Mask: -1,
    hostPage: (page) => (page < RAM_BYTES / PAGE ? ram + page * PAGE : 0),
    isReadOnly: () => false,
    read: (_address, width) => ones(width),
    write: () => {},
  };
  const output: number[] = [];
  let ended = false;
  const cpu: Cpu = new Cpu({
    memory, tables: tlb, physical: { v: physical, h: physical },
    hooks: {
      ports: {
        read: (_port, width) => ones(width),
        write: (port, _width, value) => {
          if (port === 0xe9) output.push(value);
          if (port !== 0xf4) return;
          ended = true;
          core.stop();
        },
      },
      codeWritten: (address, length) => core.blocks.invalidate(address, length),
      readTimestamp: () => 0, floatingPointError: () => {}, notice: () => {},
    },
  });
  const areas = { memory, memoryPages, jumpCache: JUMP_CACHE, codeCacheBegin, codeCacheEnd };
  const core: Core = new Core(cpu, ROWS, areas, { acknowledge: () => 0 }, createHelpers(cpu));
  const flat = { base: 0, limit: 0xffff_ffff }, data = { selector: 0x10, ...flat, access: 0xc093 };
  writeRegisters(cpu, { cs: { selector: 8, ...flat, access: 0xc09b }, ss: data, ds: data, es: data, fs: data, gs: data, cr0: 0x11, eip: entry });

  let before = -1;
  while (!ended && output.length > before) {
    before = output.length;
    if (core.run(SLICE) === "shutdown") break;
  }
  return Uint8Array.from(output.slice(1));
}

it("finds in every protection case what the reference found", () => {
  const image = read("image.gz"), expected = read("results.gz");
  const cases = image.readUInt32LE(COUNT_FIELD);
  expect(expected.length).toBe(cases * RESULT_BYTES);
  const results = Buffer.from(run(image, image.readUInt32LE(ENTRY_FIELD)));
  const wrong: string[] = [];
  for (let at = 0; at < expected.length; at += RESULT_BYTES) {
    const differences = FIELDS.flatMap((name, i) => {
      const want = expected.readUInt32LE(at + i * 4), got = at + RESULT_BYTES <= results.length ? results.readUInt32LE(at + i * 4) : -1;
      return want === got ? [] : [`${name} ${got.toString(16)} for ${want.toString(16)}`];
    });
    if (differences.length > 0) wrong.push(`case ${at / RESULT_BYTES}: ${differences.join(", ")}`);
  }
  expect(wrong).toEqual([]);
});
