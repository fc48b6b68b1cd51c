// The interpreter on a board of nothing but RAM, in flat 32-bit protected mode at CPL 0.

import { Core } from "../../src/cpu/core.ts";
import { Cpu } from "../../src/cpu/cpu.ts";
import { createHelpers } from "../../src/cpu/helpers/index.ts";
import { JUMP_CACHE_BYTES } from "../../src/cpu/interpreter.ts";
import type { PhysicalSpace } from "../../src/cpu/physical-space.ts";
import { setSegment } from "../../src/cpu/segmentation.ts";
import type { TlbTables } from "../../src/cpu/tlb.ts";
import { ROWS } from "../../src/isa/opcode-map/index.ts";
import { CR0, CS, DS, ES, FS, GS, SS } from "../../src/isa/state-layout.ts";

const MB = 1 << 20, PAGE = 4096, WASM_PAGE = 1 << 16;
const JUMP_CACHE = 0x1_0000;
const CR0_PE = 1, CR0_ET = 0x10, CR0_NE = 0x20;

export interface BareCore {
  readonly core: Core;
  readonly cpu: Cpu;
  readonly ram: Uint8Array;
  /** The whole shared memory, processor state included. */
  readonly memory: DataView;
}

export function createBareCore(ramBytes: number, floatingPointError: () => void = () => {}, notice: (text: string) => void = () => {}): BareCore {
  let next = JUMP_CACHE + JUMP_CACHE_BYTES;
  const take = (bytes: number) => {
    const at = Math.ceil(next / PAGE) * PAGE;
    next = at + bytes;
    return at;
  };
  const tables = (): TlbTables => ({ readSupervisor: take(4 * MB), writeSupervisor: take(4 * MB), readUser: take(4 * MB), writeUser: take(4 * MB), code: take(4 * MB) });
  const tlb = { v: tables(), h: tables() };
  const codeCacheBegin = take(4 * MB);
  const codeCacheEnd = next;
  const base = take(ramBytes);
  const memoryPages = Math.ceil(next / WASM_PAGE);
  const memory = new WebAssembly.Memory({ initial: memoryPages, maximum: memoryPages, shared: true });
  const beyond = (address: number): never => {
    throw new RangeError(`${address.toString(16)} is beyond RAM`);
  };
  const physical: PhysicalSpace = {
    a20Mask: ~0,
    hostPage: (page) => (page < ramBytes / PAGE ? base + page * PAGE : 0),
    isReadOnly: () => false,
    read: beyond,
    write: beyond,
  };
  const cpu = new Cpu({
    memory, tables: tlb, physical: { v: physical, h: physical },
    hooks: {
      ports: { read: beyond, write: beyond },
      codeWritten: (address, length) => core.blocks.invalidate(address, length),
      readTimestamp: () => 0, floatingPointError, notice,
    },
  });
  const areas = { memory, memoryPages, jumpCache: JUMP_CACHE, codeCacheBegin, codeCacheEnd };
  const core = new Core(cpu, ROWS, areas, { acknowledge: () => 0 }, createHelpers(cpu));
  core.deliverExceptions = false;
  cpu.reset();
  cpu.context.set(CR0, CR0_PE | CR0_ET | CR0_NE);
  for (const segment of [ES, SS, DS, FS, GS]) setSegment(cpu.context, segment, 0x10, 0, 0xffff_ffff, 0xc093);
  setSegment(cpu.context, CS, 8, 0, 0xffff_ffff, 0xc09b);
  cpu.updateMode();
  return { core, cpu, ram: new Uint8Array(memory.buffer, base, ramBytes), memory: new DataView(memory.buffer) };
}
