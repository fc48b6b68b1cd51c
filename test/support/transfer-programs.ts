// Random programs of ring 0, flat 32 bits, that go round and round over what translated code takes apart and puts together: calls
// through tables and retpolines, recursion, faults, repetitions, stores into their own code, PUSHF, POPF, CLI and STI; and handlers
// that note where they interrupted and with which flags.

import { createPrng, type Prng } from "./prng.ts";

export const PROGRAM_AT = 0x4000, IDT_AT = 0x1400, IRQ_VECTOR = 0x20;
const HANDLERS_AT = 0x2000, DATA_AT = 0x10000, COUNTS = DATA_AT, RESUME = DATA_AT + 0x400, SUMS = DATA_AT + 0x410, TABLE = DATA_AT + 0x500, SCRATCH = DATA_AT + 0x1000;
const KERNEL_CODE = 8, INTERRUPT_GATE = 0x8e00;
const ERROR_VECTORS: readonly number[] = [8, 10, 11, 12, 13, 14, 17];
const DIVIDE = 0, NMI = 2;
/** EAX ECX EDX EBX ESI EDI: EBP counts the rounds. */
const REGISTERS: readonly number[] = [0, 1, 2, 3, 6, 7];

class Code {
  readonly bytes: number[] = [];
  private readonly labels = new Map<string, number>();
  private readonly fixes: { readonly at: number; readonly label: string; readonly relative: boolean }[] = [];
  readonly origin: number;

  constructor(origin: number) {
    this.origin = origin;
  }

  raw(...bytes: readonly number[]): this {
    this.bytes.push(...bytes);
    return this;
  }
  word(value: number): this { return this.raw(value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24); }
  label(name: string): this {
    this.labels.set(name, this.origin + this.bytes.length);
    return this;
  }
  /** The four bytes of a label's address, or of its distance from behind them. */
  to(label: string, relative: boolean): this {
    this.fixes.push({ at: this.bytes.length, label, relative });
    return this.word(0);
  }
  addressOf(label: string): number { return this.labels.get(label)!; }
  finish(): Uint8Array {
    const bytes = Uint8Array.from(this.bytes);
    const view = new DataView(bytes.buffer);
    for (const { at, label, relative } of this.fixes) view.setInt32(at, this.addressOf(label) - (relative ? this.origin + at + 4 : 0), true);
    return bytes;
  }
}

/** Memory of a program: address and bytes. */
export type ProgramMemory = readonly (readonly [number, Uint8Array])[];

export function transferProgram(seed: number, pieces: number): ProgramMemory {
  const random = createPrng(seed);
  const code = new Code(PROGRAM_AT);
  const functions = 4;
  code.raw(0xbc).word(0xf000).raw(0xbd).word(0x4000_0000); // mov esp; mov ebp
  code.label("round");
  for (let n = 0; n < pieces; n++) piece(code, random, n, functions);
  code.raw(0x4d, 0x0f, 0x85).to("round", true); // dec ebp; jnz
  code.label("end").raw(0xeb, 0xfe);
  // An indirect call of EAX that no processor foresees.
  code.label("thunk").raw(0xe8).to("inner", true).label("trap").raw(0xf3, 0x90, 0xeb, 0xfc).label("inner").raw(0x89, 0x04, 0x24, 0xc3);
  // f(ECX): calls itself until ECX is 0.
  code.label("recursive").raw(0x85, 0xc9, 0x74, 9, 0x49, 0x01, 0xc8, 0xe8).to("recursive", true).raw(0x41, 0xc3);
  for (let f = 0; f < functions; f++) {
    code.label(`f${f}`);
    for (let n = random.below(4); n >= 0; n--) arithmetic(code, random);
    code.raw(0xc3);
  }
  const table = new Code(TABLE);
  for (let n = 0; n < 8; n++) table.word(code.addressOf(n < 4 ? `f${n}` : "recursive"));
  return [[PROGRAM_AT, code.finish()], [TABLE, table.finish()], ...handlers()];
}

function register(random: Prng): number {
  return REGISTERS[random.below(REGISTERS.length)]!;
}

function arithmetic(code: Code, random: Prng): void {
  const r = register(random), s = register(random), address = SCRATCH + random.below(64) * 4;
  switch (random.below(9)) {
    case 0: code.raw(random.below(8) * 8 + 1, 0xc0 | (s << 3) | r); break; // ADD OR ADC SBB AND SUB XOR CMP r, s
    case 1: code.raw(0x81, 0xc0 | (random.below(8) << 3) | r).word(random.below(0x7fff_ffff)); break;
    case 2: code.raw((random.below(2) ? 0x40 : 0x48) + r); break;
    case 3: code.raw(0xc1, [0xc0, 0xc8, 0xe0, 0xe8, 0xf8][random.below(5)]! | r, random.below(32)); break;
    case 4: code.raw(0x8b, (r << 3) | 5).word(address); break;
    case 5: code.raw(0x01, (r << 3) | 5).word(address); break;
    case 6: code.raw(0x0f, 0xaf, 0xc0 | (r << 3) | s); break;
    case 7: code.raw(0x0f, 0x90 + random.below(16), 0xc0 | random.below(4)); break;
    default: code.raw(0x50 + r, 0x58 + s); break;
  }
}

function piece(code: Code, random: Prng, n: number, functions: number): void {
  const behind = `behind${n}`;
  switch (random.below(13)) {
    case 0: // call [table + ECX * 4]
      code.raw(0x89, 0xe9, 0x83, 0xe1, random.below(2) ? 3 : 1).raw(0xff, 0x14, 0x8d).word(TABLE);
      break;
    case 1: // a retpoline
      code.raw(0x89, 0xe9, 0x83, 0xe1, 3, 0x8b, 0x04, 0x8d).word(TABLE).raw(0xe8).to("thunk", true);
      break;
    case 2: // recursion
      code.raw(0x89, 0xe9, 0x83, 0xe1, 7, 0xe8).to("recursive", true);
      break;
    case 3: // jmp eax, to one of two places
      code.raw(0xb8).to(behind, false).raw(0x89, 0xe9, 0x83, 0xe1, 1, 0x29, 0xc8, 0xff, 0xe0).raw(0x90).label(behind);
      break;
    case 4: // division by zero, now and then
      code.raw(0xc7, 0x05).word(RESUME).to(behind, false).raw(0x89, 0xe9, 0x83, 0xe1, 3, 0x31, 0xd2, 0xf7, 0xf1).label(behind);
      break;
    case 5: // #UD
      code.raw(0xc7, 0x05).word(RESUME).to(behind, false).raw(0x0f, 0x0b).label(behind);
      break;
    case 6: code.raw(0x9c, 0x58 + REGISTERS[random.below(3)]!); break;
    case 7: code.raw(0x9c, 0xfa); for (let k = random.below(3); k >= 0; k--) arithmetic(code, random); code.raw(0x9d); break;
    case 8: code.raw(0xfa, 0xfb); break;
    case 9: // stores into the constant of the instruction behind
      code.raw(0x89, 0x2d).to(behind, false).raw(0xbb).label(behind).word(0);
      break;
    case 10: code.raw(0xfc, 0xbe).word(SCRATCH).raw(0xbf).word(SCRATCH + 0x102).raw(0xb9).word(random.below(70)).raw(0xf3, random.below(2) ? 0xa4 : 0xaa); break;
    case 11: code.raw(0xe8).to(`f${random.below(functions)}`, true); break;
    default: for (let k = random.below(5); k >= 0; k--) arithmetic(code, random);
  }
}

/** Counts, and of interrupts sums over EIP and EFLAGS; faults go on where RESUME says. */
function handlers(): ProgramMemory {
  const code = new Code(HANDLERS_AT), idt = new Code(IDT_AT);
  for (let vector = 0; vector <= IRQ_VECTOR; vector++) {
    const at = HANDLERS_AT + code.bytes.length, isFault = vector !== NMI && vector !== IRQ_VECTOR;
    idt.raw(at & 0xff, (at >>> 8) & 0xff, KERNEL_CODE, 0, INTERRUPT_GATE & 0xff, INTERRUPT_GATE >> 8, 0, 0);
    if (ERROR_VECTORS.includes(vector)) code.raw(0x83, 0xc4, 4); // add esp, 4
    code.raw(0x9c, 0x50, 0xff, 0x05).word(COUNTS + vector * 4); // pushf; push eax; inc [count]
    if (isFault) code.raw(0xa1).word(RESUME).raw(0x89, 0x44, 0x24, 8); // mov eax, [resume]; mov [esp+8], eax
    else code.raw(0x8b, 0x44, 0x24, 8, 0x01, 0x05).word(SUMS + (vector === NMI ? 0 : 8)).raw(0x8b, 0x44, 0x24, 16, 0x01, 0x05).word(SUMS + (vector === NMI ? 4 : 12));
    code.raw(0x58, 0x83, 0xc4, 4, 0xcf); // pop eax; add esp, 4; iret
  }
  return [[HANDLERS_AT, code.finish()], [IDT_AT, idt.finish()]];
}

export const DIVIDE_COUNT = COUNTS + DIVIDE * 4, NMI_COUNT = COUNTS + NMI * 4, IRQ_COUNT = COUNTS + IRQ_VECTOR * 4;
/** What a program may write to. */
export const PROGRAM_DATA = [DATA_AT, DATA_AT + 0x1400] as const;
