// The privilege matrix: every sensitive instruction x CPL or V86 x IOPL x VME x PVI x UMIP x TSD x VIP on the bare processor, against a
// table typed from the manual. The guest `priv` asks a part of it from within; under `trap` its counts are foretold (priv-model.mjs).
import { expect, it } from "vitest";
import { CR4_PVI, CR4_TSD, CR4_UMIP, CR4_VME } from "../../src/cpu/control-bits.ts";
import { getEflags } from "../../src/cpu/eflags.ts";
import { CS, EFLAGS_VM, ESP } from "../../src/isa/state-layout.ts";
import { setGuestRegisters } from "../../src/machine/guest-registers.ts";
import { Machine } from "../../src/machine/machine.ts";
import {
  ALLOWED_PORT, BOUNDS, CODE_OF, CLOSED_INT, DATA_OF, entry, FAR_POINTER, hasVirtualFlags, IF, KERNEL_CODE, KERNEL_DATA, marked, OPEN_INT, type Outcome, type Row, ROWS,
  type State, TABLE_IMAGE, TSS, VIF, VIP,
} from "../support/privilege-table.ts";
import { Assembler } from "../support/trap-guest.ts";

const GDT = 0x1000, IDT = 0x1400, HANDLERS = 0x2000, OWN_HANDLER = 0x2900, TSS_AT = 0x5000, CODE = 0x6000, ENTRY_STACK = 0xe800, STACK = 0xf000;
const TSS_BYTES = 104, REDIRECTION_BYTES = 32, IO_MAP_BYTES = 33;
const SHOWN = IF | 0x3000 | VIF | VIP;
const WITH_ERROR: ReadonlySet<number> = new Set([8, 10, 11, 12, 13, 14, 17]);
const flag = [false, true] as const;

function machineWithTables(): Machine {
  const machine = new Machine({ memoryBytes: 1 << 20, technique: "emulate", ring: 1, set: {}, clock: "virtual", drives: {} });
  const put = (address: number, bytes: ArrayLike<number>): void => machine.physical.writeBytes(address, Uint8Array.from(bytes));
  const word = (address: number, value: number): void => put(address, [value & 0xff, (value >>> 8) & 0xff]);
  const descriptor = (selector: number, base: number, limit: number, access: number, flags: number): void =>
    put(GDT + (selector & ~7), [limit & 0xff, (limit >>> 8) & 0xff, base & 0xff, (base >>> 8) & 0xff, (base >>> 16) & 0xff, access, (flags << 4) | (limit >>> 16), base >>> 24]);
  for (let ring = 0; ring < 4; ring++) {
    descriptor(CODE_OF[ring]!, 0, 0xf_ffff, 0x9b | (ring << 5), 0xc);
    descriptor(DATA_OF[ring]!, 0, 0xf_ffff, 0x93 | (ring << 5), 0xc);
  }
  for (let vector = 0; vector < 256; vector++) {
    const dpl = vector === OPEN_INT || (vector >= 3 && vector <= 5) ? 3 : 0;
    const offset = HANDLERS + vector * 8;
    put(IDT + vector * 8, [offset & 0xff, offset >>> 8, KERNEL_CODE, 0, 0, 0x8e | (dpl << 5), 0, 0]);
  }
  word(OPEN_INT * 4, OWN_HANDLER);
  word(CLOSED_INT * 4, OWN_HANDLER);
  put(TSS_AT, new Uint8Array(TSS_BYTES));
  word(TSS_AT + 4, ENTRY_STACK);
  word(TSS_AT + 8, KERNEL_DATA);
  word(TSS_AT + 102, TSS_BYTES + REDIRECTION_BYTES);
  const bits = new Uint8Array(REDIRECTION_BYTES + IO_MAP_BYTES).fill(0xff);
  bits[OPEN_INT >> 3]! &= ~(1 << (OPEN_INT & 7));
  bits[REDIRECTION_BYTES + (ALLOWED_PORT >> 3)]! &= ~(1 << (ALLOWED_PORT & 7));
  put(TSS_AT + TSS_BYTES, bits);
  put(FAR_POINTER, [0, 0, KERNEL_DATA, 0]);
  put(TABLE_IMAGE, [0x57, 0, GDT & 0xff, GDT >>> 8, 0, 0]);
  put(BOUNDS, [1, 0, 0, 0]); // from 1 to 0: nothing is within
  return machine;
}

interface Cell {
  readonly row: Row;
  readonly state: State;
  /** Where it begins, and where the instruction itself is. */
  readonly start: number;
  readonly at: number;
}

/** Every row in the four rings and in V86, assembled. */
function assembled(machine: Machine): { readonly row: Row; readonly cpl: 0 | 1 | 2 | 3; readonly v86: boolean; readonly start: number; readonly at: number }[] {
  let next = CODE;
  return [0, 1, 2, 3, 4].flatMap((ring) => ROWS.map((row) => {
    const v86 = ring === 4;
    const a = new Assembler(v86 ? "real" : "pm32", next);
    row.emit(a, v86 ? 0 : CODE_OF[ring]!);
    const place = { row, cpl: (v86 ? 3 : ring) as 0 | 1 | 2 | 3, v86, start: next, at: marked.get(a) ?? next };
    machine.physical.writeBytes(next, Uint8Array.from(a.bytes));
    next = a.here + 4;
    if (next > ENTRY_STACK - 0x400) throw new Error("the code reaches the stacks");
    return place;
  }));
}

function states(cpl: State["cpl"], v86: boolean): State[] {
  const list: State[] = [];
  for (const iopl of [0, 1, 2, 3]) for (const vme of flag) for (const pvi of flag) for (const umip of flag) for (const tsd of flag) {
    const state = { cpl, v86, iopl, vme, pvi, umip, tsd, vip: false };
    list.push(state);
    if (hasVirtualFlags(state)) list.push({ ...state, vip: true });
  }
  return list;
}

function enter(machine: Machine, { row, state: s, start }: Cell): void {
  const code = s.v86 ? { selector: 0, base: 0, limit: 0xffff, access: 0xf3 } : { selector: CODE_OF[s.cpl]!, base: 0, limit: 0xffff_ffff, access: 0xc09b | (s.cpl << 5) };
  const data = s.v86 ? code : { selector: DATA_OF[s.cpl]!, base: 0, limit: 0xffff_ffff, access: 0xc093 | (s.cpl << 5) };
  const flags = entry(s, row.start) | (s.v86 ? EFLAGS_VM : 0) | 2;
  setGuestRegisters(machine, {
    eax: 0, ecx: 0, edx: 0, ebx: 0, esp: STACK, ebp: 0, esi: 0, edi: 0, eip: start, eflags: flags, cpl: s.cpl, cr0: 0x11,
    cr4: (s.vme ? CR4_VME : 0) | (s.pvi ? CR4_PVI : 0) | (s.umip ? CR4_UMIP : 0) | (s.tsd ? CR4_TSD : 0), dr7: 0x400,
    cs: code, ss: data, ds: data, es: data, fs: data, gs: data, gdtr: { base: GDT, limit: 0x57 }, idtr: { base: IDT, limit: 0x7ff },
    tr: { selector: TSS, base: TSS_AT, limit: TSS_BYTES + REDIRECTION_BYTES + IO_MAP_BYTES - 1, access: 0x8b },
    ldtr: { selector: 0, base: 0, limit: 0, access: 0x1_0000 },
  });
}

/** What happened to the instruction of a cell. */
function outcome(machine: Machine, cell: Cell): Outcome {
  enter(machine, cell);
  const { cpu } = machine;
  const v = cpu.v.context;
  while (cpu.state.eip !== cell.at) machine.step();
  const top = cpu.state.gpr(ESP);
  machine.step();
  const dword = (at: number): number => cpu.state.view.getInt32(machine.map.ram + at, true);
  const eip = cpu.state.eip, offset = eip - HANDLERS;
  if (v.selector(CS) === KERNEL_CODE && offset >= 0 && offset < 256 * 8 && offset % 8 === 0) {
    const vector = offset / 8;
    return WITH_ERROR.has(vector) ? { vector, error: dword(cpu.state.gpr(ESP)) } : { vector };
  }
  if (cell.state.v86 && eip === OWN_HANDLER) return { redirected: cell.row.name === "INT 80h" ? OPEN_INT : CLOSED_INT };
  const now = cpu.state.gpr(ESP);
  return { runs: true, flags: getEflags(cpu.state, v) & SHOWN, pushed: (now === top - 2 ? dword(now) & 0xffff : dword(now)) & SHOWN };
}

/** What differs from the manual, or "". */
function wrong(wanted: Outcome, got: Outcome): string {
  const ok = "runs" in wanted && "runs" in got
    ? (wanted.flags === undefined || wanted.flags === got.flags) && (wanted.pushed === undefined || (wanted.pushed & SHOWN) === got.pushed)
    : JSON.stringify("vector" in wanted && WITH_ERROR.has(wanted.vector) ? { vector: wanted.vector, error: wanted.error ?? 0 } : wanted) === JSON.stringify(got);
  return ok ? "" : `${JSON.stringify(got)}, the manual says ${JSON.stringify(wanted)}`;
}

it("does in every state what the manual's tables say", () => {
  const machine = machineWithTables();
  const failures: string[] = [];
  let cells = 0;
  for (const { row, cpl, v86, start, at } of assembled(machine)) {
    for (const state of states(cpl, v86)) {
      cells++;
      const difference = wrong(row.rule(state), outcome(machine, { row, state, start, at }));
      if (difference !== "" && failures.length < 20) failures.push(`${row.name} ${JSON.stringify(state)}: ${difference}`);
    }
  }
  expect(failures).toEqual([]);
  expect(cells).toBeGreaterThan(30_000);
}, 300_000);
