// Our processor with nothing but RAM, driven as QEMU's is.

import { guestRegisters, setGuestRegisters } from "../../src/machine/guest-registers.ts";
import { Machine } from "../../src/machine/machine.ts";
import { describeSegment, type ProcessorView, type SegmentView, type SystemView } from "./processor-view.ts";

const SEGMENT = { selector: 0, base: 0, limit: 0xffff, access: 0x93 };
const CODE_32 = 0x4000;
const LONGEST = 15;

export interface StepOutcome {
  /** "halted" and "shutdown": the processor waits, or has given up. */
  readonly end: "done" | "halted" | "shutdown";
  /** Vector of the exception that was entered, or -1. */
  readonly exception: number;
}

export interface Place {
  readonly linear: number;
  readonly code32: boolean;
  readonly bytes: Uint8Array;
}

const MSR_EFER = 0xc000_0080;

function hex(value: number): string {
  return (value >>> 0).toString(16).padStart(8, "0");
}

export class Ours {
  private readonly machine = new Machine({ memoryBytes: 16 << 20, technique: "emulate", ring: 1, set: {}, clock: "virtual", drives: {} });

  constructor() {
    // Where nothing is, QEMU's buses read as 0.
    this.machine.physical.read = () => 0;
  }

  reset(eip: number): void {
    const zero = { eax: 0, ecx: 0, edx: 0, ebx: 0, esp: 0, ebp: 0, esi: 0, edi: 0, cr2: 0, cr3: 0, cr4: 0, dr0: 0, dr1: 0, dr2: 0, dr3: 0 };
    setGuestRegisters(this.machine, {
      ...zero, eip, eflags: 2, cr0: 0x10, cs: SEGMENT, ss: SEGMENT, ds: SEGMENT, es: SEGMENT, fs: SEGMENT, gs: SEGMENT,
      dr6: 0xffff_0ff0, dr7: 0x400, activity: 0, interruptShadow: 0, nmiBlocked: 0, msr: { 0x174: 0, 0x175: 0, 0x176: 0, 0xc0000080: 0 },
    });
  }

  writeMemory(physical: number, bytes: Uint8Array): void {
    this.machine.physical.writeBytes(physical, bytes);
  }

  readMemory(physical: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.machine.physical.readBytes(physical, bytes);
    return bytes;
  }

  /** The instruction that comes next. */
  place(): Place {
    const { cs, eip } = guestRegisters(this.machine);
    const linear = (cs.base + eip) >>> 0;
    return { linear, code32: (cs.access & CODE_32) !== 0, bytes: this.machine.memory.read(linear, LONGEST) };
  }

  /** Physical address of the top of the stack, or -1. */
  stackTop(): number {
    const { ss, esp } = guestRegisters(this.machine);
    return this.machine.memory.translate((ss.base + (ss.access & CODE_32 ? esp : esp & 0xffff)) >>> 0);
  }

  /** One instruction, or the entry into the handler of the exception that it raised. */
  step(): StepOutcome {
    const { cpu } = this.machine;
    cpu.delivered = null;
    const reason = this.machine.step();
    const { delivered } = cpu as { delivered: { vector: number; isException: boolean } | null };
    const { activity } = guestRegisters(this.machine);
    return { end: activity === 2 ? "shutdown" : reason === "halted" ? "halted" : "done", exception: delivered?.isException ? delivered.vector : -1 };
  }

  /** ES CS SS DS FS GS. */
  segments(): readonly SegmentView[] {
    const { es, cs, ss, ds, fs, gs } = guestRegisters(this.machine);
    return [es, cs, ss, ds, fs, gs];
  }

  system(): SystemView {
    const s = guestRegisters(this.machine);
    const view = new Map<string, string>();
    for (const name of ["es", "cs", "ss", "ds", "fs", "gs"] as const) describeSegment(view, name, s[name].selector, hex(s[name].base), hex(s[name].limit), s[name].access);
    describeSegment(view, "ldt", s.ldtr.selector, hex(s.ldtr.base), hex(s.ldtr.limit), s.ldtr.access);
    describeSegment(view, "tr", s.tr.selector, hex(s.tr.base), hex(s.tr.limit), s.tr.access);
    for (const [name, table] of [["gdt", s.gdtr], ["idt", s.idtr]] as const) view.set(name, `${hex(table.base)} ${hex(table.limit)}`);
    for (const [n, value] of [[0, s.dr0], [1, s.dr1], [2, s.dr2], [3, s.dr3], [6, s.dr6], [7, s.dr7]] as const) view.set(`dr${n}`, hex(value));
    view.set("efer", hex(s.msr[MSR_EFER] ?? 0));
    return view;
  }

  view(): ProcessorView {
    const s = guestRegisters(this.machine);
    return {
      eax: s.eax, ecx: s.ecx, edx: s.edx, ebx: s.ebx, esp: s.esp, ebp: s.ebp, esi: s.esi, edi: s.edi, eip: s.eip, eflags: s.eflags >>> 0,
      cs: s.cs.selector, ss: s.ss.selector, ds: s.ds.selector, es: s.es.selector, fs: s.fs.selector, gs: s.gs.selector,
      cr0: s.cr0, cr2: s.cr2, cr3: s.cr3, cr4: s.cr4,
    };
  }
}
