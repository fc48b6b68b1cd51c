// Small random guests of sensitive instructions, for the model in trap-model.ts: how each step is encoded in real mode, 16-bit
// and 32-bit protected mode, the memory around it (tables, handlers), and what the model says about it.
import { USER_CODE, USER_DATA, BEYOND, KERNEL_CODE, KERNEL_DATA, LDT, SMALL_DATA, SMALL_LIMIT, TSS, type Mode, type ModelOptions, type Segment, type TrapModel } from "./trap-model.ts";
import { createPrng, type Prng } from "./prng.ts";

/** Places below 64 KB, the same in every mode. */
export const GDT_AT = 0x1000, IDT_AT = 0x1400, TSS_AT = 0x1c00, LDT_AT = 0x1d00, HANDLERS_AT = 0x2000, DATA_AT = 0x3000, CODE_AT = 0x4000;
const RESUME = DATA_AT, CONTINUE = DATA_AT + 4, STORED = DATA_AT + 0x10, BOUNDS = DATA_AT + 0x18;
const KERNEL_STACK = 0xf000, ENTRY_STACK = 0xe000, USER_STACK = 0xd000;
export const END_PORT = 0x99;
const ENTER = 0x81, ROUND = 0x80, BOUND_RANGE = 5;
const EFLAGS_VM = 1 << 17;
const ERROR_VECTORS: readonly number[] = [8, 10, 11, 12, 13, 14, 17];
const SEGMENT_NUMBER: Readonly<Record<Segment, number>> = { ES: 0, CS: 1, SS: 2, DS: 3, FS: 4, GS: 5 };

/** Machine code at an address of one mode. All memory operands go through SS, which is always flat and writable. */
export class Assembler {
  readonly bytes: number[] = [];
  mode: Mode;
  readonly origin: number;

  constructor(mode: Mode, origin: number) {
    this.mode = mode;
    this.origin = origin;
  }

  get here(): number {
    return this.origin + this.bytes.length;
  }
  private get code16(): boolean {
    return this.mode !== "pm32";
  }

  /** Code for another mode in between. */
  within(mode: Mode, emit: () => void): void {
    const outside = this.mode;
    this.mode = mode;
    emit();
    this.mode = outside;
  }

  raw(...bytes: number[]): void {
    this.bytes.push(...bytes);
  }
  word(value: number, width: number): void {
    for (let i = 0; i < width; i++) this.raw((value >>> (8 * i)) & 0xff);
  }
  /** With an operand size of 2 or 4 bytes. */
  sized(width: 2 | 4, ...bytes: number[]): void {
    if ((width === 4) === this.code16) this.raw(0x66);
    this.raw(...bytes);
  }
  /** ModRM for [ss:address] with a register or opcode extension. Bytes before it are given; `width` sizes the operand. */
  memory(width: 2 | 4, opcode: readonly number[], reg: number, address: number, segment = 0x36): void {
    if ((width === 4) === this.code16) this.raw(0x66);
    this.raw(segment, ...opcode, (this.code16 ? 6 : 5) | (reg << 3));
    this.word(address, this.code16 ? 2 : 4);
  }
  push(width: 2 | 4, value: number): void {
    this.sized(width, 0x68);
    this.word(value, width);
  }
  /** mov [ss:address], value */
  store(address: number, value: () => number): { patch(): void } {
    this.memory(4, [0xc7], 0, address);
    const at = this.bytes.length;
    this.word(0, 4);
    return { patch: () => [0, 8, 16, 24].forEach((shift, i) => (this.bytes[at + i] = (value() >>> shift) & 0xff)) };
  }
  /** mov ax, value */
  ax(value: number): void {
    this.sized(2, 0xb8);
    this.word(value, 2);
  }
}

export interface Step {
  readonly name: string;
  emit(a: Assembler): void;
  apply(model: TrapModel): void;
}

/** A step whose instruction may fault in the guest: the handler goes on behind it. */
function faulting(name: string, emit: (a: Assembler) => void, apply: (m: TrapModel) => void): Step {
  return {
    name,
    apply,
    emit(a) {
      let after = 0;
      const resume = a.store(RESUME, () => after);
      emit(a);
      after = a.here;
      resume.patch();
    },
  };
}

const step = (name: string, emit: (a: Assembler) => void, apply: (m: TrapModel) => void): Step => ({ name, emit, apply });
const imageOf = (image: { if: boolean; iopl: number }): number => 2 | (image.if ? 0x200 : 0) | (image.iopl << 12);
const hex = (value: number): string => value.toString(16);

type Maker = (random: Prng, options: ModelOptions) => Step;

const randomImage = (random: Prng) => ({ if: random.oneIn(2), iopl: random.below(4) });
const size = (random: Prng): 2 | 4 => (random.oneIn(2) ? 2 : 4);
const show = (image: { if: boolean; iopl: number }): string => `IF=${image.if ? 1 : 0} IOPL=${image.iopl}`;

const privilegedMakers: readonly Maker[] = [
  ...([["CLTS", [0x0f, 0x06]], ["WBINVD", [0x0f, 0x09]], ["INVD", [0x0f, 0x08]]] as const).map(
    ([name, bytes]): Maker => () => faulting(name, (a) => a.raw(...bytes), (m) => m.privileged(name)),
  ),
  () => faulting("MOV r,CR0; MOV CR0,r", (a) => a.raw(0x0f, 0x20, 0xc0), (m) => m.privileged("MOV")),
  () => faulting("MOV r,CR3", (a) => a.raw(0x0f, 0x20, 0xd8), (m) => m.privileged("MOV")),
  () => faulting("MOV r,DR7", (a) => a.raw(0x0f, 0x21, 0xf8), (m) => m.privileged("MOV")),
  () => faulting("INVLPG", (a) => a.memory(4, [0x0f, 0x01], 7, STORED), (m) => m.privileged("INVLPG")),
  () => faulting("LGDT", (a) => a.memory(4, [0x0f, 0x01], 2, DATA_AT + 0x20), (m) => m.privileged("LGDT")),
  () => faulting("LIDT", (a) => a.memory(4, [0x0f, 0x01], 3, DATA_AT + 0x28), (m) => m.privileged("LIDT")),
  () => faulting("RDMSR", (a) => { a.sized(4, 0xb9); a.word(0x174, 4); a.raw(0x0f, 0x32); }, (m) => m.privileged("RDMSR")),
  () => faulting("RDPMC", (a) => { a.sized(4, 0xb9); a.word(0, 4); a.raw(0x0f, 0x33); }, (m) => m.privileged("RDPMC")),
  (_random, options) => faulting("LLDT", (a) => { a.ax(options.ldt ? LDT : 0); a.raw(0x0f, 0x00, 0xd0); }, (m) => m.privileged("LLDT", false)),
  () => faulting("SYSEXIT", (a) => a.raw(0x0f, 0x35), (m) => m.faultingPrivileged("SYSEXIT")),
  () => faulting("SYSENTER", (a) => a.raw(0x0f, 0x34), (m) => m.sysenter()),
];

const portMakers: readonly Maker[] = [
  () => faulting("IN", (a) => a.raw(0xe4, 0x98), (m) => m.port("IN")),
  () => faulting("OUT", (a) => a.raw(0xe6, 0x98), (m) => m.port("OUT")),
  () => faulting("CLI", (a) => a.raw(0xfa), (m) => m.interruptFlag(false)),
  () => faulting("STI", (a) => a.raw(0xfb), (m) => m.interruptFlag(true)),
];

const faultMakers: readonly Maker[] = [
  () => step("INT3", (a) => a.raw(0xcc), (m) => m.trapInstruction("INT3")),
  () => step("INTO", (a) => a.raw(0xb0, 0x7f, 0x04, 0x01, 0xce), (m) => m.trapInstruction("INTO")),
  () => step("INT1", (a) => a.raw(0xf1), (m) => m.trapInstruction("INT1")),
  () => step("INT 80h", (a) => a.raw(0xcd, ROUND), (m) => m.softwareInterrupt()),
  () => faulting("UD2", (a) => a.raw(0x0f, 0x0b), (m) => m.undefined("UD2")),
  () => faulting("DIV", (a) => { a.sized(2, 0x31, 0xc9); a.sized(2, 0xf7, 0xf1); }, (m) => m.divideByZero()),
];

/** Instructions that run in every ring without a fault of the guest's own. */
const silentMakers: readonly Maker[] = [
  (random, { mode }) => {
    const bytes = size(random);
    return step(`PUSHF ${bytes}`, (a) => { a.sized(bytes, 0x9c); a.sized(bytes, 0x58); }, (m) => m.pushFlags(mode === "real" ? bytes : 4));
  },
  (random) => {
    const bytes = size(random), image = randomImage(random);
    return step(`POPF ${bytes} ${show(image)}`, (a) => { a.push(bytes, imageOf(image)); a.sized(bytes, 0x9d); }, (m) => m.popFlags(bytes, image));
  },
  ...([["SGDT", 0], ["SIDT", 1]] as const).map(([name, reg]): Maker => () => step(name, (a) => a.memory(4, [0x0f, 0x01], reg, STORED), (m) => m.storeRegister(name))),
  ...([["SLDT", 0], ["STR", 1]] as const).map(([name, reg]): Maker => () => faulting(name, (a) => a.memory(2, [0x0f, 0x00], reg, STORED), (m) => m.storeRegister(name))),
  () => step("SMSW", (a) => a.memory(2, [0x0f, 0x01], 4, STORED), (m) => m.storeRegister("SMSW")),
  ...([["LAR", 0x02], ["LSL", 0x03]] as const).map(([name, opcode]): Maker => (random) => {
    const selector = random.pick([KERNEL_CODE, KERNEL_DATA, USER_CODE, USER_DATA, TSS, LDT, SMALL_DATA, BEYOND]);
    return faulting(`${name} ${hex(selector)}`, (a) => { a.ax(selector); a.sized(4, 0x0f, opcode, 0xd0); }, (m) => m.examine(name, selector));
  }),
  ...([["VERR", 4], ["VERW", 5]] as const).map(([name, reg]): Maker => (random) => {
    const selector = random.pick([KERNEL_CODE, KERNEL_DATA, USER_CODE, USER_DATA, TSS, SMALL_DATA, BEYOND]);
    return faulting(`${name} ${hex(selector)}`, (a) => { a.ax(selector); a.raw(0x0f, 0x00, 0xc0 | (reg << 3)); }, (m) => m.examine(name, selector));
  }),
  () => faulting("ARPL", (a) => { a.ax(0x20); a.raw(0x63, 0xc0); }, (m) => m.arpl()),
  (random) => {
    const segment = random.pick(["CS", "SS", "DS", "ES", "FS", "GS"] as const);
    return step(`MOV r,${segment}`, (a) => a.sized(size(random), 0x8c, 0xc0 | (SEGMENT_NUMBER[segment] << 3)), (m) => m.storeSegment("MOV", segment));
  },
  (random) => {
    const segment = random.pick(["CS", "SS", "DS", "ES"] as const);
    const bytes = size(random), opcode = { CS: 0x0e, SS: 0x16, DS: 0x1e, ES: 0x06 }[segment];
    return step(`PUSH ${segment}`, (a) => { a.sized(bytes, opcode); a.sized(bytes, 0x58); }, (m) => m.storeSegment("PUSH", segment));
  },
  () => step("CPUID", (a) => { a.sized(4, 0x31, 0xc0); a.raw(0x0f, 0xa2); }, (m) => m.cpuid()),
  () => step("RDTSC", (a) => a.raw(0x0f, 0x31), (m) => m.readTimestamp()),
];

/** Loads of data segments: in protected mode the kernel's own, the user's and null. */
function loadMaker(random: Prng, { mode }: ModelOptions, mayFault: boolean): Step {
  const segment = random.pick(["DS", "ES", "FS", "GS"] as const);
  const selector = mode === "real" ? 0 : random.pick(mayFault ? [KERNEL_DATA, USER_DATA, SMALL_DATA, 0] : [USER_DATA, 0]);
  if (random.oneIn(2)) {
    return faulting(`MOV ${segment},${hex(selector)}`, (a) => { a.ax(selector); a.raw(0x8e, 0xc0 | (SEGMENT_NUMBER[segment] << 3)); }, (m) => m.loadData("MOV", segment, selector));
  }
  const name = { DS: "LDS", ES: "LES", FS: "LFS", GS: "LGS" }[segment], opcode = { DS: [0xc5], ES: [0xc4], FS: [0x0f, 0xb4], GS: [0x0f, 0xb5] }[segment];
  return faulting(`${name} ${hex(selector)}`, (a) => { a.store(STORED + 8, () => selector).patch(); a.memory(2, opcode, 3, STORED + 6); }, (m) => m.loadData(name, segment, selector));
}

const kernelMakers: readonly Maker[] = [
  (random, { mode }) => {
    const bytes = mode === "real" ? size(random) : 4, image = randomImage(random);
    return step(`IRET ${bytes} to a pushed CS ${show(image)}`, (a) => {
      a.push(bytes, imageOf(image));
      a.sized(bytes, 0x0e);
      pushNext(a, bytes, 0xcf);
    }, (m) => m.returnToPushedCode(bytes, image));
  },
  (random, { mode }) => {
    const bytes = size(random), image = randomImage(random);
    return step(`IRET ${bytes} ${show(image)}`, (a) => {
      a.push(bytes, imageOf(image));
      a.push(bytes, mode === "real" ? 0 : KERNEL_CODE);
      pushNext(a, bytes, 0xcf);
    }, (m) => m.returnToKernel(bytes, image));
  },
  () => step("MOV SS", (a) => { a.sized(2, 0x8c, 0xd0); a.raw(0x8e, 0xd0); }, (m) => m.reloadStack()),
  (_random, { mode }) => step("MOV SS,kernel", (a) => { a.ax(mode === "real" ? 0 : KERNEL_DATA); a.raw(0x8e, 0xd0); }, (m) => m.loadStack("MOV", KERNEL_DATA)),
  (_random, { mode }) => step("CALL far, RETF", (a) => {
    // call over a jump to a RETF
    const target = a.here + (mode === "pm32" ? 7 : 5) + 2;
    a.raw(0x9a);
    a.word(target, mode === "pm32" ? 4 : 2);
    a.word(mode === "real" ? 0 : KERNEL_CODE, 2);
    a.raw(0xeb, 0x01, 0xcb);
  }, (m) => m.callAndReturnFar()),
  (_random, { mode }) => step("JMP far", (a) => {
    const after = a.here + (mode === "pm32" ? 7 : 5);
    a.raw(0xea);
    a.word(after, mode === "pm32" ? 4 : 2);
    a.word(mode === "real" ? 0 : KERNEL_CODE, 2);
  }, (m) => m.jumpFar()),
  (random, { mode }) => {
    const bytes = size(random);
    return step("RETF", (a) => {
      a.push(bytes, mode === "real" ? 0 : KERNEL_CODE);
      pushNext(a, bytes, 0xcb);
    }, (m) => m.returnFar());
  },
  (random, options) => loadMaker(random, options, true),
];

/** push offset-of-what-follows; then the return instruction. */
function pushNext(a: Assembler, bytes: 2 | 4, opcode: number): void {
  const length = (a.mode === "pm32") === (bytes === 4) ? [bytes + 1, 1] : [bytes + 2, 2];
  a.push(bytes, a.here + length[0]! + length[1]!);
  a.sized(bytes, opcode);
}

const userMakers: readonly Maker[] = [...privilegedMakers, ...portMakers, ...faultMakers, ...silentMakers, (random, options) => loadMaker(random, options, true)];
/** Where an unseen return has confused monitor and guest, a fault would find the wrong stack. */
const confusedMakers: readonly Maker[] = [...silentMakers, (random, options) => loadMaker(random, options, false)];

function randomUserPart(random: Prng, options: ModelOptions): Step {
  const makers = options.ring === 3 && !options.tricks ? confusedMakers : userMakers;
  return userPart(randomImage(random), Array.from({ length: random.below(6) }, () => random.pick(makers)(random, options)));
}

/** IRET to ring 3, some steps there, INT 81h back. */
function userPart(image: { if: boolean; iopl: number }, steps: readonly Step[]): Step {
  return {
    name: `user ${show(image)} { ${steps.map((s) => s.name).join("; ")} }`,
    emit(a) {
      let after = 0;
      const resume = a.store(CONTINUE, () => after);
      for (const value of [USER_DATA, USER_STACK, imageOf(image), USER_CODE]) a.push(4, value);
      pushNext(a, 4, 0xcf);
      for (const each of steps) each.emit(a);
      a.raw(0xcd, ENTER);
      after = a.here;
      resume.patch();
      returnToKernelData(a);
    },
    apply(m) {
      m.returnToUser(image.if, image.iopl, USER_DATA);
      for (const each of steps) each.apply(m);
      m.enterByInterrupt();
      m.loadData("MOV", "DS", KERNEL_DATA);
      m.loadData("MOV", "ES", KERNEL_DATA);
      m.loadStack("MOV", KERNEL_DATA);
    },
  };
}

/** What V86 code may do, in 16-bit code: the sensitive instructions of SDM Vol. 3A, "Virtual-8086 Mode", and others that are not. */
const v86Makers: readonly Maker[] = [
  () => faulting("CLI", (a) => a.raw(0xfa), (m) => m.inV86("CLI", (flags) => { flags.if = false; })),
  () => faulting("STI", (a) => a.raw(0xfb), (m) => m.inV86("STI", (flags) => { flags.if = true; })),
  (random) => {
    const bytes = size(random);
    // Where it faults, there is nothing to pop.
    return faulting(`PUSHF ${bytes}`, (a) => a.sized(bytes, 0x9c), (m) => m.inV86("PUSHF", () => {}));
  },
  (random) => {
    const bytes = size(random), image = randomImage(random);
    return faulting(`POPF ${bytes} ${show(image)}`, (a) => { a.push(bytes, imageOf(image)); a.sized(bytes, 0x9d); }, (m) => m.inV86("POPF", (flags) => { flags.if = image.if; }));
  },
  (random) => {
    const bytes = size(random), image = randomImage(random);
    return faulting(`IRET ${bytes} ${show(image)}`, (a) => {
      a.push(bytes, imageOf(image));
      a.push(bytes, 0);
      pushNext(a, bytes, 0xcf);
    }, (m) => m.inV86("IRET", (flags) => { flags.if = image.if; }));
  },
  () => faulting("INT 80h", (a) => a.raw(0xcd, ROUND), (m) => m.interruptInV86()),
  () => faulting("IN", (a) => a.raw(0xe4, 0x98), (m) => m.deniedInV86("IN")),
  () => faulting("OUT", (a) => a.raw(0xe6, 0x98), (m) => m.deniedInV86("OUT")),
  () => faulting("CLTS", (a) => a.raw(0x0f, 0x06), (m) => m.deniedInV86("CLTS")),
  () => faulting("HLT", (a) => a.raw(0xf4), (m) => m.deniedInV86("HLT")),
  () => faulting("MOV r,CR0", (a) => a.raw(0x0f, 0x20, 0xc0), (m) => m.deniedInV86("MOV")),
  () => faulting("LGDT", (a) => a.memory(4, [0x0f, 0x01], 2, DATA_AT + 0x20), (m) => m.deniedInV86("LGDT")),
  ...([["SLDT", [0x0f, 0x00, 0xc0]], ["STR", [0x0f, 0x00, 0xc8]], ["LLDT", [0x0f, 0x00, 0xd0]], ["LAR", [0x0f, 0x02, 0xc0]], ["LSL", [0x0f, 0x03, 0xc0]],
    ["VERR", [0x0f, 0x00, 0xe0]], ["VERW", [0x0f, 0x00, 0xe8]], ["ARPL", [0x63, 0xc0]], ["UD2", [0x0f, 0x0b]]] as const).map(
    ([name, bytes]): Maker => () => faulting(name, (a) => a.raw(...bytes), (m) => m.undefined(name)),
  ),
  ...([["SGDT", 0], ["SIDT", 1], ["SMSW", 4]] as const).map(([name, reg]): Maker => () => step(name, (a) => a.memory(2, [0x0f, 0x01], reg, STORED), (m) => m.storeRegister(name))),
  () => step("INT3", (a) => a.raw(0xcc), (m) => m.trapInstruction("INT3")),
  () => step("INT1", (a) => a.raw(0xf1), (m) => m.trapInstruction("INT1")),
  () => step("INTO", (a) => a.raw(0xb0, 0x7f, 0x04, 0x01, 0xce), (m) => m.trapInstruction("INTO")),
  () => step("CPUID", (a) => { a.sized(4, 0x31, 0xc0); a.raw(0x0f, 0xa2); }, (m) => m.cpuid()),
  () => step("RDTSC", (a) => a.raw(0x0f, 0x31), (m) => m.readTimestamp()),
  (random) => {
    const segment = random.pick(["CS", "SS", "DS", "ES", "FS", "GS"] as const);
    return step(`MOV r,${segment}`, (a) => a.sized(2, 0x8c, 0xc0 | (SEGMENT_NUMBER[segment] << 3)), (m) => m.selectorInV86("MOV"));
  },
  () => step("PUSH CS", (a) => { a.sized(2, 0x0e); a.sized(2, 0x58); }, (m) => m.selectorInV86("PUSH")),
  () => step("MOV ES", (a) => { a.ax(0x1234); a.raw(0x8e, 0xc0); }, (m) => m.selectorInV86("MOV")),
];

/** IRETD to V86 code, some steps there, out by a BOUND that fails. CS = 0: no technique takes it for a selector that loads. */
function v86Part(random: Prng, options: ModelOptions): Step {
  const image = randomImage(random);
  const steps = Array.from({ length: random.below(8) }, () => random.pick(v86Makers)(random, options));
  return {
    name: `V86 ${show(image)} { ${steps.map((each) => each.name).join("; ")} }`,
    emit(a) {
      let after = 0;
      const resume = a.store(CONTINUE, () => after);
      a.store(BOUNDS, () => 1).patch(); // from 1 to 0: nothing is within
      for (let segment = 0; segment < 4; segment++) a.push(4, 0); // GS FS DS ES
      for (const value of [0, USER_STACK, imageOf(image) | EFLAGS_VM, 0]) a.push(4, value);
      pushNext(a, 4, 0xcf);
      a.within("real", () => {
        for (const each of steps) each.emit(a);
        a.memory(2, [0x62], 0, BOUNDS);
      });
      after = a.here;
      resume.patch();
      returnToKernelData(a);
    },
    apply(m) {
      m.returnToV86(image.if, image.iopl);
      for (const each of steps) each.apply(m);
      m.leaveV86();
      m.loadData("MOV", "DS", KERNEL_DATA);
      m.loadData("MOV", "ES", KERNEL_DATA);
      m.loadStack("MOV", KERNEL_DATA);
    },
  };
}

/** The kernel's segments and stack again, after code of less privilege. */
function returnToKernelData(a: Assembler): void {
  for (const segment of ["DS", "ES", "SS"] as const) {
    a.ax(KERNEL_DATA);
    a.raw(0x8e, 0xc0 | (SEGMENT_NUMBER[segment] << 3));
  }
  a.sized(4, 0xbc);
  a.word(KERNEL_STACK, 4);
}

/** A random program for a kernel. */
export function randomSteps(random: Prng, options: ModelOptions, count: number): Step[] {
  const makers = [...privilegedMakers, ...portMakers, ...portMakers, ...faultMakers, ...silentMakers, ...silentMakers, ...kernelMakers, ...kernelMakers];
  const steps: Step[] = [];
  while (steps.length < count) {
    if (options.mode !== "real" && random.oneIn(8)) steps.push(randomUserPart(random, options));
    else if (options.mode !== "real" && random.oneIn(10)) steps.push(v86Part(random, options));
    else steps.push(random.pick(makers)(random, options));
  }
  return steps;
}

/** Steps by name, for programs that are not random: a name that a maker gives, or "user", with "CLI IOPL n" behind. */
export function makeSteps(name: string, options: ModelOptions): Step[] {
  const user = /^user(?: CLI IOPL ([0-3]))?$/.exec(name);
  if (user) return [userPart({ if: true, iopl: Number(user[1] ?? 0) }, user[1] === undefined ? [] : makeSteps("CLI", options))];
  const makers = [...privilegedMakers, ...portMakers, ...faultMakers, ...silentMakers, ...kernelMakers];
  for (let seed = 1; seed < 100; seed++) {
    const found = makers.map((maker) => maker(createPrng(seed), options)).find((each) => each.name === name);
    if (found) return [found];
  }
  throw new Error(`no step is called ${name}`);
}

/** The program's code, with the OUT that ends it. */
export function assemble(mode: Mode, steps: readonly Step[]): Uint8Array {
  const a = new Assembler(mode, CODE_AT);
  for (const each of steps) each.emit(a);
  a.raw(0xe6, END_PORT, 0xeb, 0xfe);
  return Uint8Array.from(a.bytes);
}

export const END: Step = { name: "end", emit: () => {}, apply: (m) => m.port("OUT") };

// --- the memory around it

/** [address, bytes] of tables and handlers. */
export function surroundings(mode: Mode): [number, Uint8Array][] {
  const handlers = new Assembler(mode, HANDLERS_AT);
  const address = new Map<number, number>();
  for (const vector of [0, 1, 3, 4, BOUND_RANGE, 6, 13, ROUND, ENTER]) {
    address.set(vector, handlers.here);
    emitHandler(handlers, vector);
  }
  const parts: [number, Uint8Array][] = [[HANDLERS_AT, Uint8Array.from(handlers.bytes)]];
  if (mode === "real") {
    const vectors = new DataView(new ArrayBuffer(0x400));
    for (const [vector, offset] of address) vectors.setUint16(vector * 4, offset, true);
    parts.push([0, new Uint8Array(vectors.buffer)]);
    parts.push([DATA_AT + 0x20, tableImage(0, 0xffff)], [DATA_AT + 0x28, tableImage(0, 0x3ff)]);
    return parts;
  }
  const gdt = new DataView(new ArrayBuffer(0x40));
  const descriptor = (selector: number, base: number, limit: number, access: number, flags: number): void => {
    gdt.setUint32(selector, (limit & 0xffff) | ((base & 0xffff) << 16), true);
    gdt.setUint32(selector + 4, ((base >>> 16) & 0xff) | (access << 8) | (limit & 0xf_0000) | (flags << 20) | (base & 0xff00_0000), true);
  };
  const code = mode === "pm32" ? 0xc : 0x8;
  descriptor(KERNEL_CODE, 0, 0xf_ffff, 0x9b, code);
  descriptor(KERNEL_DATA, 0, 0xf_ffff, 0x93, 0xc);
  descriptor(USER_CODE & ~3, 0, 0xf_ffff, 0xfb, code);
  descriptor(USER_DATA & ~3, 0, 0xf_ffff, 0xf3, 0xc);
  descriptor(TSS, TSS_AT, 103, 0x8b, 0);
  descriptor(LDT, LDT_AT, 7, 0x82, 0);
  descriptor(SMALL_DATA, 0, SMALL_LIMIT, 0x93, 0);
  const idt = new DataView(new ArrayBuffer(0x800));
  for (const [vector, offset] of address) {
    idt.setUint32(vector * 8, (KERNEL_CODE << 16) | (offset & 0xffff), true);
    idt.setUint32(vector * 8 + 4, (offset & 0xffff_0000) | 0xee00, true);
  }
  const tss = new DataView(new ArrayBuffer(104));
  tss.setUint32(4, ENTRY_STACK, true);
  tss.setUint32(8, KERNEL_DATA, true);
  tss.setUint16(102, 104, true);
  parts.push([GDT_AT, new Uint8Array(gdt.buffer)], [IDT_AT, new Uint8Array(idt.buffer)], [TSS_AT, new Uint8Array(tss.buffer)], [LDT_AT, new Uint8Array(8)]);
  parts.push([DATA_AT + 0x20, tableImage(GDT_AT, 0x3f)], [DATA_AT + 0x28, tableImage(IDT_AT, 0x7ff)]);
  return parts;
}

function tableImage(base: number, limit: number): Uint8Array {
  const image = new DataView(new ArrayBuffer(6));
  image.setUint16(0, limit, true);
  image.setUint32(2, base, true);
  return new Uint8Array(image.buffer);
}

/** Faults go on at [RESUME]; INT 81h and BOUND at [CONTINUE], for good; the others return. */
function emitHandler(a: Assembler, vector: number): void {
  const faults = vector === 0 || vector === 6 || vector === 13;
  if (a.mode === "real") {
    if (faults) {
      a.raw(0x55, 0x89, 0xe5, 0x50, 0x2e, 0xa1); // push bp; mov bp,sp; push ax; mov ax,[cs:RESUME]
      a.word(RESUME, 2);
      a.raw(0x89, 0x46, 0x02, 0x58, 0x5d); // mov [bp+2],ax; pop ax; pop bp
    }
    a.raw(0xcf);
    return;
  }
  if (vector === ENTER || vector === BOUND_RANGE) {
    a.memory(4, [0xff], 4, CONTINUE, 0x2e);
    return;
  }
  if (faults) {
    if (ERROR_VECTORS.includes(vector)) a.sized(4, 0x83, 0xc4, 0x04);
    a.memory(4, [0x8b], 0, RESUME, 0x2e); // mov eax,[cs:RESUME]
    if (a.mode === "pm16") a.raw(0x67);
    a.sized(4, 0x89, 0x04, 0x24); // mov [esp],eax
  }
  a.sized(4, 0xcf);
}

export const STACK = KERNEL_STACK;
