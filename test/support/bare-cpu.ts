// A processor on plain RAM for the tests of src/cpu: no board, no interpreter. Descriptors, page tables and stacks are set up by hand.

import { Cpu } from "../../src/cpu/cpu.ts";
import { createHelpers, type HelperBody } from "../../src/cpu/helpers/index.ts";
import type { CpuModelName } from "../../src/cpu/models.ts";
import type { PhysicalSpace } from "../../src/cpu/physical-space.ts";
import type { CpuHooks } from "../../src/cpu/processor.ts";
import { setSegment } from "../../src/cpu/segmentation.ts";
import type { TlbTables } from "../../src/cpu/tlb.ts";
import type { HelperName } from "../../src/isa/builder.ts";
import {
  CPL, CR0, CS, DS, ES, FAULT, FAULT_ERROR, FAULT_HAS_ERROR, FS, GDTR_BASE, GDTR_LIMIT, GS, IDTR_BASE, IDTR_LIMIT, SS, TR,
} from "../../src/isa/state-layout.ts";

const TABLE = 4 << 20;
const V_TABLES = 1 << 20, H_TABLES = V_TABLES + 5 * TABLE, RAM = H_TABLES + 5 * TABLE;
export const RAM_BYTES = 8 << 20;
/** A physical page of ROM, and one of a device that logs. */
export const ROM_PAGE = 0x300, DEVICE_PAGE = 0x400;

let shared: WebAssembly.Memory | null = null;

function tables(at: number): TlbTables {
  return { readSupervisor: at, writeSupervisor: at + TABLE, readUser: at + 2 * TABLE, writeUser: at + 3 * TABLE, code: at + 4 * TABLE };
}

export class BareCpu implements PhysicalSpace {
  readonly cpu: Cpu;
  readonly helper: Readonly<Record<HelperName, HelperBody>>;
  readonly log: string[] = [];
  readonly view: DataView;
  a20Mask = -1;
  ticks = 0;
  deviceValue = 0x11223344;
  /** IA32_APIC_BASE; 0: there is no local APIC. */
  apicBase = 0;

  constructor(model?: CpuModelName) {
    // One memory serves all tests of a file, one after the other: the processor clears its tables, but for those that begin as zeros.
    shared ??= new WebAssembly.Memory({ initial: (RAM + RAM_BYTES) >> 16, maximum: (RAM + RAM_BYTES) >> 16, shared: true });
    this.view = new DataView(shared.buffer, RAM, RAM_BYTES);
    new Uint8Array(shared.buffer, RAM, RAM_BYTES).fill(0);
    for (const { code } of [tables(V_TABLES), tables(H_TABLES)]) new Int32Array(shared.buffer, code, TABLE >> 2).fill(0);
    const hooks: CpuHooks = {
      ports: {
        read: (port, width) => (this.log.push(`in ${port.toString(16)}/${width}`), 0xa5a5_a5a5 >>> (32 - width * 8)),
        write: (port, width, value) => void this.log.push(`out ${port.toString(16)}/${width} ${value.toString(16)}`),
      },
      codeWritten: (physical, length) => void this.log.push(`code ${physical.toString(16)}+${length}`),
      apicBase: {
        read: () => (this.apicBase === 0 ? null : this.apicBase),
        write: (value) => {
          if (this.apicBase === 0 || value & 0x6ff) return false;
          this.apicBase = value;
          return true;
        },
      },
      readTimestamp: (hardware) => this.ticks + (hardware ? 1000 : 0),
      floatingPointError: () => void this.log.push("ferr"),
      notice: (text) => void this.log.push(text),
    };
    this.cpu = new Cpu({ memory: shared, tables: { v: tables(V_TABLES), h: tables(H_TABLES) }, physical: { v: this, h: this }, hooks, ...(model ? { model } : {}) });
    this.helper = createHelpers(this.cpu);
    this.cpu.reset();
  }

  hostPage(page: number): number {
    return page < RAM_BYTES >> 12 && page !== DEVICE_PAGE ? RAM + (page << 12) : 0;
  }
  isReadOnly(page: number): boolean {
    return page === ROM_PAGE;
  }
  read(physical: number, width: number): number {
    this.log.push(`read ${physical.toString(16)}/${width}`);
    return (this.deviceValue & (width === 4 ? -1 : (1 << (width * 8)) - 1)) >>> 0;
  }
  write(physical: number, width: number, value: number): void {
    this.log.push(`write ${physical.toString(16)}/${width} ${value.toString(16)}`);
  }

  r32(physical: number): number {
    return this.view.getInt32(physical, true);
  }
  w32(physical: number, ...values: number[]): void {
    values.forEach((value, i) => this.view.setInt32(physical + i * 4, value, true));
  }
  r16(physical: number): number {
    return this.view.getUint16(physical, true);
  }
  w16(physical: number, ...values: number[]): void {
    values.forEach((value, i) => this.view.setUint16(physical + i * 2, value, true));
  }
  r8(physical: number): number {
    return this.view.getUint8(physical);
  }
  w8(physical: number, ...values: number[]): void {
    values.forEach((value, i) => this.view.setUint8(physical + i, value));
  }

  /** A descriptor: `access` = bits 8-23 of the high dword as SEG_ACCESS has them, `limit` as the 20 bits of the table. */
  descriptor(table: number, index: number, base: number, limit: number, access: number): void {
    this.w32(table + index * 8, (limit & 0xffff) | (base << 16), ((base >>> 16) & 0xff) | ((access & 0xf0ff) << 8) | (limit & 0xf_0000) | (base & 0xff00_0000));
  }

  gate(table: number, index: number, selector: number, offset: number, access: number, parameters = 0): void {
    this.w32(table + index * 8, (offset & 0xffff) | (selector << 16), (offset & 0xffff_0000) | ((access & 0xff) << 8) | parameters);
  }

  /** The raised fault as "#13(1234)", "#6", or "" and clears it. */
  fault(): string {
    const { state } = this.cpu;
    const fault = state.read(FAULT);
    if (fault === 0) return "";
    const text = `#${fault - 1}${state.read(FAULT_HAS_ERROR) ? `(${(state.read(FAULT_ERROR) >>> 0).toString(16)})` : ""}`;
    state.write(FAULT, 0);
    return text;
  }

  call(name: HelperName, ...args: number[]): number {
    const [a = 0, b = 0, c = 0, d = 0, e = 0] = args;
    return this.helper[name](a, b, c, d, e);
  }
}

/** Tables of the protected-mode tests, by physical (= linear) address. */
export const GDT = 0x1000, IDT = 0x2000, TSS = 0x8000, LDT = 0x4000, TSS_OTHER = 0x5000, TSS_16 = 0x6000;
export const STACK0 = 0x1_0000, STACK1 = 0x1_1000, STACK2 = 0x1_2000, STACK3 = 0x1_8000;
/** Selectors: flat code and data of every ring, and a few others. */
export const CODE0 = 0x08, DATA0 = 0x10, CODE3 = 0x1b, DATA3 = 0x23, CODE1 = 0x29, DATA1 = 0x31, TSS_SELECTOR = 0x38, LDT_SELECTOR = 0x40;
export const CODE2 = 0x4a, DATA2 = 0x52, CONFORMING0 = 0x58, CODE16 = 0x60, DATA16 = 0x68, FREE = 0x70;
const GDT_ENTRIES = 64;

/** 32-bit protected mode, flat, CPL 0, with a GDT, an empty IDT of 256 gates, and a TSS with stacks for rings 0 to 2. */
export function protectedCpu(): BareCpu {
  const b = new BareCpu();
  const c = b.cpu.context;
  const flat = (selector: number, access: number): void => b.descriptor(GDT, selector >> 3, 0, 0xf_ffff, access | 0xc000);
  flat(CODE0, 0x9b);
  flat(DATA0, 0x93);
  flat(CODE3, 0xfb);
  flat(DATA3, 0xf3);
  flat(CODE1, 0xbb);
  flat(DATA1, 0xb3);
  flat(CODE2, 0xdb);
  flat(DATA2, 0xd3);
  flat(CONFORMING0, 0x9f);
  b.descriptor(GDT, CODE16 >> 3, 0, 0xffff, 0x9b);
  b.descriptor(GDT, DATA16 >> 3, 0, 0xffff, 0x93);
  b.descriptor(GDT, TSS_SELECTOR >> 3, TSS, 0x20ff, 0x8b);
  b.descriptor(GDT, LDT_SELECTOR >> 3, LDT, 0xff, 0x82);
  b.w32(TSS + 4, STACK0, DATA0, STACK1, DATA1, STACK2, DATA2);
  b.w16(TSS + 0x66, 0x68 + 32);
  c.set(GDTR_BASE, GDT);
  c.set(GDTR_LIMIT, GDT_ENTRIES * 8 - 1);
  c.set(IDTR_BASE, IDT);
  c.set(IDTR_LIMIT, 0x7ff);
  c.set(CR0, 0x11);
  setSegment(c, TR, TSS_SELECTOR, TSS, 0x20ff, 0x8b);
  enterRing(b, 0);
  return b;
}

/** Registers as code of ring 0 or 3 has them. */
export function enterRing(b: BareCpu, ring: 0 | 1 | 2 | 3): void {
  const c = b.cpu.context, dpl = ring << 5;
  const code = [CODE0, CODE1, CODE2, CODE3][ring], data = [DATA0, DATA1, DATA2, DATA3][ring], stack = [STACK0, STACK1, STACK2, STACK3][ring];
  setSegment(c, CS, code, 0, 0xffff_ffff, 0xc09b | dpl);
  for (const i of [ES, SS, DS]) setSegment(c, i, data, 0, 0xffff_ffff, 0xc093 | dpl);
  for (const i of [FS, GS]) setSegment(c, i, DATA3, 0, 0xffff_ffff, 0xc0f3);
  c.set(CPL, ring);
  b.cpu.state.setGpr(4, stack);
  b.cpu.state.eip = 0x5000_0000;
  b.cpu.updateMode();
}
