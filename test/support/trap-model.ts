// What a sensitive instruction does when the guest's kernel runs in ring 1 or 3 and real-mode code in V86: leaves (with which
// reason), runs and leaks, or runs and is right. Typed from the manual's tables (SDM Vol. 2, "Operation" of each instruction;
// Vol. 3A, "Protection", "Virtual-8086 Mode", Table "Sensitive Instructions"), not from the monitor, which it judges.
//
// Three sets of state: `metal`, what bare metal would hold by the guest's own history; `virtual`, what a monitor knows, since
// it sees only what leaves; and the processor's own, which is fixed: IF 1, IOPL 0, CPL `ring` or 3.

export type Mode = "real" | "pm32" | "pm16";
export interface ModelOptions {
  readonly mode: Mode;
  readonly ring: 1 | 3;
  readonly umip: boolean;
  readonly tsd: boolean;
  readonly tricks: boolean;
  readonly vme: boolean;
  /** CR0.NE as the guest set it; the processor's is 1. */
  readonly ne: boolean;
  /** The guest has loaded an LDT. */
  readonly ldt: boolean;
}

/** Selectors of the guests' table. */
export const KERNEL_CODE = 0x08, KERNEL_DATA = 0x10, USER_CODE = 0x1b, USER_DATA = 0x23, TSS = 0x28, LDT = 0x30, SMALL_DATA = 0x38, BEYOND = 0x50;
/** Limit of the small data segment; all others are flat. */
export const SMALL_LIMIT = 0xfff;

interface Privileges {
  if: boolean;
  iopl: number;
  cpl: number;
}
interface Descriptor {
  readonly dpl: number;
  readonly kind: "code" | "data" | "system";
  readonly limit: number;
}
const DESCRIPTORS: Readonly<Record<number, Descriptor>> = {
  [KERNEL_CODE]: { dpl: 0, kind: "code", limit: 0xffff_ffff }, [KERNEL_DATA]: { dpl: 0, kind: "data", limit: 0xffff_ffff },
  [USER_CODE & ~3]: { dpl: 3, kind: "code", limit: 0xffff_ffff }, [USER_DATA & ~3]: { dpl: 3, kind: "data", limit: 0xffff_ffff },
  [TSS]: { dpl: 0, kind: "system", limit: 103 }, [LDT]: { dpl: 0, kind: "system", limit: 7 },
  [SMALL_DATA]: { dpl: 0, kind: "data", limit: SMALL_LIMIT },
};

type Table = Record<string, number>;
export interface Counts {
  readonly traps: Table;
  readonly reasons: Table;
  readonly leaks: Table;
  readonly observed: Table;
}

export type Segment = "CS" | "SS" | "DS" | "ES" | "FS" | "GS";

export class TrapModel {
  readonly counts: Counts = { traps: {}, reasons: {}, leaks: {}, observed: {} };
  private readonly options: ModelOptions;
  private readonly metal: Privileges;
  private readonly virtual: Privileges;
  /** Where the guest really runs: the kernel's ring, or 3. */
  private real: number;
  /** The tables that the processor reads are those for the guest's kernel: until the next exit after an unseen return to ring 3. */
  private kernelTables = true;
  private exits = 0;
  /** The guest runs V86 code. */
  private v86 = false;
  private segments: Record<Segment, number>;
  /** What bare metal holds where it differs. */
  private metalSegments: Partial<Record<Segment, number>> = {};

  constructor(options: ModelOptions, start: { readonly if: boolean; readonly iopl: number }) {
    this.options = options;
    this.metal = { ...start, cpl: 0 };
    this.virtual = { ...start, cpl: 0 };
    this.real = options.mode === "real" ? 3 : options.ring;
    const data = options.mode === "real" ? 0 : KERNEL_DATA;
    this.segments = { CS: options.mode === "real" ? 0 : KERNEL_CODE, SS: data, DS: data, ES: data, FS: data, GS: data };
  }

  // --- what happened

  private trap(instruction: string, reason: string): void {
    const { traps, reasons } = this.counts;
    traps[instruction] = (traps[instruction] ?? 0) + 1;
    reasons[reason] = (reasons[reason] ?? 0) + 1;
    this.exits++;
    // At ring 1 the processor's CPL tells the monitor where the guest is.
    if (this.options.mode !== "real" && this.options.ring === 1) this.virtual.cpl = this.real === 3 ? 3 : 0;
    this.kernelTables = this.virtual.cpl === 0;
  }

  private silent(instruction: string, leaks: boolean): void {
    const table = leaks ? this.counts.leaks : this.counts.observed;
    table[instruction] = (table[instruction] ?? 0) + 1;
  }

  private get isReal(): boolean {
    return this.options.mode === "real";
  }
  private get vme(): boolean {
    return this.isReal && this.options.vme;
  }
  private get differs(): boolean {
    return this.metal.if !== this.virtual.if || this.metal.iopl !== this.virtual.iopl;
  }
  /** What the monitor does for the guest sets both worlds alike. */
  private agree(): void {
    this.metal.if = this.virtual.if;
    this.metal.iopl = this.virtual.iopl;
    this.metal.cpl = this.virtual.cpl;
  }

  // --- a fault or interrupt that the monitor delivers through the guest's interrupt gate, and the handler's IRET

  /** Delivery: frame of the virtual flags, IF = 0. Returns what the handler's IRET will bring back. */
  private deliver(): Privileges & { readonly v86: boolean } {
    const frame = { ...this.virtual, v86: this.v86 };
    if (this.v86) this.segments = { ...this.segments, DS: 0, ES: 0, FS: 0, GS: 0 };
    this.v86 = false;
    this.virtual.if = false;
    this.virtual.cpl = 0;
    this.metal.if = false;
    this.metal.cpl = 0;
    this.enterKernel();
    return frame;
  }

  private enterKernel(): void {
    if (this.isReal) return;
    this.real = this.options.ring;
    this.kernelTables = true;
    this.segments.CS = KERNEL_CODE;
    this.segments.SS = KERNEL_DATA;
    delete this.metalSegments.SS;
  }

  /** The handler's IRET to a frame that the monitor pushed. */
  private handlerReturns(frame: Privileges & { readonly v86: boolean }): void {
    if (frame.v86) this.returnToV86(frame.if, frame.iopl);
    else if (this.isReal) this.returnInRealMode(frame.if, frame.iopl, 2);
    else if (frame.cpl === 0) this.returnTrapped("#GP", frame);
    else this.returnToUser(frame.if, frame.iopl, null);
  }

  private returnTrapped(reason: string, image: { if: boolean; iopl: number; cpl: number }): void {
    this.trap("IRET", reason);
    this.virtual.if = image.if;
    this.virtual.iopl = image.iopl;
    this.virtual.cpl = image.cpl;
    this.agree();
    this.real = image.cpl === 3 ? 3 : this.options.ring;
    this.kernelTables = image.cpl === 0;
    if (image.cpl === 3) this.dropKernelSegments();
  }

  private dropKernelSegments(): void {
    for (const name of ["DS", "ES", "FS", "GS"] as const) if (this.dplOf(this.segments[name]) < 3) this.segments[name] = 0;
    this.segments.CS = USER_CODE;
    this.segments.SS = USER_DATA;
    this.metalSegments = {};
  }

  private dplOf(selector: number): number {
    return selector < 4 ? 3 : DESCRIPTORS[selector & ~3]!.dpl;
  }

  /** The instruction faults in the guest too: `reason` is the exit's, the handler returns behind the instruction. */
  private faultOfGuest(instruction: string, reason: string): void {
    this.trap(instruction, reason);
    this.handlerReturns(this.deliver());
  }

  // --- instructions

  /** CLI, STI. */
  interruptFlag(on: boolean): void {
    const name = on ? "STI" : "CLI";
    if (this.vme) {
      this.silent(name, false);
      this.virtual.if = this.metal.if = on;
      return;
    }
    if (this.virtualCplBeforeTrap() > this.virtual.iopl) return this.faultOfGuest(name, "#GP");
    this.trap(name, "#GP");
    this.virtual.if = this.metal.if = on;
  }

  /** The monitor looks at where the guest is before it acts for it. */
  private virtualCplBeforeTrap(): number {
    if (this.isReal) return 0;
    return this.options.ring === 1 ? (this.real === 3 ? 3 : 0) : this.virtual.cpl;
  }

  pushFlags(bytes: 2 | 4): void {
    if (!this.isReal) return this.silent("PUSHF", !this.metal.if || this.metal.iopl !== 0);
    if (this.vme && bytes === 2) return this.silent("PUSHF", this.metal.iopl !== 3 || this.metal.if !== this.virtual.if);
    this.trap("PUSHF", "#GP");
  }

  popFlags(bytes: 2 | 4, image: { if: boolean; iopl: number }): void {
    if (this.isReal && !(this.vme && bytes === 2)) {
      this.trap("POPF", "#GP");
      Object.assign(this.virtual, image);
      return this.agree();
    }
    const { metal, virtual } = this;
    if (this.vme) virtual.if = image.if;
    const writesIopl = metal.cpl === 0, writesIf = metal.cpl <= metal.iopl;
    if (writesIf) metal.if = image.if;
    if (writesIopl) metal.iopl = image.iopl;
    this.silent("POPF", (writesIf && metal.if !== virtual.if) || (writesIopl && metal.iopl !== virtual.iopl));
  }

  /** IRET within the kernel to a CS that PUSH CS made. */
  returnToPushedCode(bytes: 2 | 4, image: { if: boolean; iopl: number }): void {
    this.storeSegment("PUSH", "CS");
    if (this.isReal) return this.returnInRealMode(image.if, image.iopl, bytes);
    const { metal } = this;
    metal.if = image.if;
    metal.iopl = image.iopl;
    this.silent("IRET", this.differs);
  }

  /** IRET within the kernel to its own selector. */
  returnToKernel(bytes: 2 | 4, image: { if: boolean; iopl: number }): void {
    if (this.isReal) this.returnInRealMode(image.if, image.iopl, bytes);
    else this.returnTrapped("#GP", { ...image, cpl: 0 });
  }

  private returnInRealMode(on: boolean, iopl: number, bytes: number): void {
    const { metal, virtual } = this;
    if (this.vme && bytes === 2) {
      virtual.if = metal.if = on;
      return this.silent("IRET", false);
    }
    this.trap("IRET", "#GP");
    virtual.if = on;
    virtual.iopl = iopl;
    this.agree();
  }

  /** IRET from the kernel to ring 3. `stack`: null where it is that of a frame the monitor pushed. */
  returnToUser(on: boolean, iopl: number, stack: number | null): void {
    const { metal, options } = this;
    if (options.tricks) return this.returnTrapped("#NP", { if: on, iopl, cpl: 3 });
    metal.if = on;
    metal.iopl = iopl;
    metal.cpl = 3;
    if (options.ring === 1) {
      this.silent("IRET", this.differs);
      this.real = 3;
      this.dropKernelSegments();
      return;
    }
    this.silent("IRET", true); // three words instead of five
    // The kernel's stack and data segments stay.
    this.metalSegments = { SS: stack ?? USER_DATA };
    for (const name of ["DS", "ES", "FS", "GS"] as const) if (this.dplOf(this.segments[name]) < 3) this.metalSegments[name] = 0;
    this.segments.CS = USER_CODE;
  }

  /** IRETD with VM = 1 and CS = 0. VM counts at CPL 0 alone: the silicon takes CS for a selector, and a null one it refuses. */
  returnToV86(on: boolean, iopl: number): void {
    this.trap("IRET", "#GP");
    Object.assign(this.virtual, { if: on, iopl, cpl: 3 });
    this.agree();
    this.real = 3;
    this.kernelTables = false;
    this.v86 = true;
    this.metalSegments = {};
  }

  /** CLI STI PUSHF POPF IRET in V86: sensitive to IOPL, which the silicon has as 0. */
  inV86(name: string, act: (flags: { if: boolean }) => void): void {
    if (this.virtual.iopl < 3) return this.faultOfGuest(name, "#GP");
    this.trap(name, "#GP");
    act(this.virtual);
    this.agree();
  }

  /** INT n in V86: with the guest's IOPL 3 through its gate of DPL 3, and back. */
  interruptInV86(): void {
    this.faultOfGuest("INT", "#GP");
  }

  /** Ports that the guest's TSS does not open, and instructions for CPL 0. */
  deniedInV86(name: string): void {
    this.faultOfGuest(name, "#GP");
  }

  selectorInV86(name: "MOV" | "PUSH"): void {
    this.silent(name, false);
  }

  /** A BOUND that fails, whose handler goes on in the kernel. */
  leaveV86(): void {
    this.trap("BOUND", "#BR");
    this.deliver();
  }

  /** INT n through the guest's gate of DPL 3, whose handler goes on in the kernel by itself. */
  enterByInterrupt(): void {
    this.trap("INT", "#GP");
    this.deliver();
  }

  /** INT n and back. */
  softwareInterrupt(): void {
    if (this.vme) {
      this.silent("INT", this.metal.iopl !== 3 || this.metal.if !== this.virtual.if);
      // The frame shows VIF as IF; the handler's 16-bit IRET takes it from there.
      const on = this.virtual.if;
      this.virtual.if = this.metal.if = false;
      return this.returnInRealMode(on, 3, 2);
    }
    this.faultOfGuest("INT", "#GP");
  }

  /** INT3, INTO with OF = 1, INT1: through the guest's own gate and back. */
  trapInstruction(name: "INT3" | "INTO" | "INT1"): void {
    this.faultOfGuest(name, name === "INT3" ? "#BP" : name === "INTO" ? "#OF" : "#DB");
  }

  /** UD2 and the like. */
  undefined(name: string): void {
    this.faultOfGuest(name, "#UD");
  }
  divideByZero(): void {
    this.faultOfGuest("DIV", "#DE");
  }

  /** SGDT SIDT SLDT STR SMSW. */
  storeRegister(name: "SGDT" | "SIDT" | "SLDT" | "STR" | "SMSW"): void {
    const { options } = this;
    if (this.isReal && (name === "SLDT" || name === "STR")) return this.undefined(name);
    if (options.umip) return this.trap(name, "#GP");
    switch (name) {
      case "SLDT": return this.silent(name, options.ldt); // without one, both selectors are null
      case "SMSW": return this.silent(name, this.isReal || !options.ne);
      default: return this.silent(name, true);
    }
  }

  /** What of a descriptor the processor's table shows. */
  private shadow(selector: number): (Descriptor & { readonly present: boolean }) | null {
    const own = DESCRIPTORS[selector & ~3];
    if (!own) return null;
    const { ring, tricks } = this.options;
    const present = own.kind !== "system" && !(tricks && this.kernelTables && own.kind === "code" && own.dpl === 3);
    const dpl = this.kernelTables && own.dpl === 0 && own.kind !== "system" ? ring : own.dpl;
    const limit = this.kernelTables && ring === 1 && own.limit === 0xffff_ffff ? -1 : own.limit;
    return { ...own, dpl, present, limit };
  }

  /** LAR LSL VERR VERW. */
  examine(name: "LAR" | "LSL" | "VERR" | "VERW", selector: number): void {
    if (this.isReal) return this.undefined(name);
    const own = DESCRIPTORS[selector & ~3] ?? null, seen = this.shadow(selector);
    const rpl = selector & 3;
    const knows = (d: Descriptor | null, cpl: number): d is Descriptor => {
      if (!d || d.dpl < cpl || d.dpl < rpl) return false;
      if (name === "VERR") return d.kind !== "system";
      return name !== "VERW" || d.kind === "data";
    };
    const onMetal = knows(own, this.metal.cpl), here = knows(seen, this.real);
    if (onMetal !== here) return this.silent(name, true);
    if (!onMetal || name === "VERR" || name === "VERW") return this.silent(name, false);
    if (name === "LAR") return this.silent(name, own!.dpl !== seen!.dpl || !seen!.present);
    this.silent(name, own!.limit !== seen!.limit);
  }

  arpl(): void {
    if (this.isReal) this.undefined("ARPL");
    else this.silent("ARPL", false);
  }

  /** MOV r,Sreg and PUSH Sreg. */
  storeSegment(name: "MOV" | "PUSH", segment: Segment): void {
    if (this.isReal) return this.silent(name, false);
    this.silent(name, this.shownSelector(segment) !== this.metalSelector(segment));
  }

  private shownSelector(segment: Segment): number {
    const selector = this.segments[segment];
    return (segment === "CS" || segment === "SS") && this.dplOf(selector) === 0 ? (selector & ~3) | this.options.ring : selector;
  }

  private metalSelector(segment: Segment): number {
    return this.metalSegments[segment] ?? this.segments[segment];
  }

  /** MOV, POP, LES ... of a data segment register. */
  loadData(name: string, segment: Exclude<Segment, "CS" | "SS">, selector: number): void {
    if (!this.isReal && selector >= 4) {
      const rpl = selector & 3, own = DESCRIPTORS[selector & ~3]!, seen = this.shadow(selector)!;
      const fitsMetal = own.dpl >= this.metal.cpl && own.dpl >= rpl, fits = seen.dpl >= this.real && seen.dpl >= rpl;
      if (!fits) return this.faultOfGuest(name, "#GP");
      this.silent(name, !fitsMetal);
    } else {
      this.silent(name, false);
    }
    this.segments[segment] = selector;
    delete this.metalSegments[segment];
  }

  /** The kernel loads SS with its own selector. */
  loadStack(name: string, selector: number): void {
    if (this.isReal) return this.silent(name, false);
    // RPL, DPL and CPL of a stack segment must agree: RPL 0 never fits the real ring.
    this.trap(name, "#GP");
    this.segments.SS = selector;
    delete this.metalSegments.SS;
  }

  /** MOV r,SS; MOV SS,r: the selector that leaked comes back, and fits. */
  reloadStack(): void {
    this.storeSegment("MOV", "SS");
    this.silent("MOV", false);
  }

  /** CALL far within the ring; RETF comes back to what it pushed. */
  callAndReturnFar(): void {
    this.silent("CALL", !this.isReal && this.shownSelector("CS") !== this.metalSelector("CS"));
    this.silent("RETF", false);
  }

  jumpFar(): void {
    this.silent("JMP", false);
  }

  /** RETF to a selector with RPL 0. */
  returnFar(): void {
    if (this.isReal) this.silent("RETF", false);
    else this.trap("RETF", "#GP");
  }

  /** IN, OUT. */
  port(name: "IN" | "OUT"): void {
    if (this.virtualCplBeforeTrap() > this.virtual.iopl) this.faultOfGuest(name, "#GP");
    else this.trap(name, "#GP");
  }

  /** Instructions for CPL 0 alone. `inReal` false: #UD in real mode. */
  privileged(name: string, inReal = true): void {
    if (this.isReal && !inReal) return this.undefined(name);
    if (this.virtualCplBeforeTrap() !== 0) this.faultOfGuest(name, "#GP");
    else this.trap(name, "#GP");
  }

  /** SYSEXIT with the guest's CS MSR 0: #GP in every ring. */
  faultingPrivileged(name: string): void {
    this.faultOfGuest(name, "#GP");
  }

  sysenter(): void {
    this.faultOfGuest("SYSENTER", "SYSENTER"); // the guest's own CS MSR is 0
  }

  cpuid(): void {
    this.silent("CPUID", false);
  }

  /** The processor's counter runs on while the monitor works. */
  readTimestamp(): void {
    if (this.options.tsd) this.trap("RDTSC", "#GP");
    else this.silent("RDTSC", this.exits > 0);
  }
}
