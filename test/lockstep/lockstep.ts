// One program on both sides, instruction by instruction, until it ends or they differ.

import { disassembleBytes } from "../../src/trace/instruction.ts";
import { COMPARED_BYTES, DATA, DATA_PAGES, PAGE_TABLES, SLOT_COUNT, SLOTS, slotAt } from "./layout.ts";
import type { Ours } from "./ours.ts";
import type { Program } from "./program.ts";
import { type ProcessorView, REGISTERS, type RegisterName, type SegmentView, type SystemView } from "./processor-view.ts";
import { explain } from "./explanations.ts";
import type { Qemu } from "./qemu.ts";

const MAXIMUM_STEPS = 400;
/** RF: QEMU 7 neither clears it after an instruction nor sets it in the images of faults. */
const IGNORED_FLAGS = 0x1_0000;
const BENIGN_MEMORY = "memory at the end: RF in stored images, W in error codes of accesses that read and will write, accessed and dirty bits of pages that a refused access began in";
const ACCESSED_DIRTY = 0x60, HLT = 0xf4;
/** Until DR7 is clear. */
const FIRST_STEPS = 4;
/** SGDT and SIDT with a 16-bit address; from LAST_WHOLE on six bytes pass 64 KB. */
const TABLE_STORE = /^s[gi]dt .*\[(bx|bp|si|di)/, LAST_WHOLE = 0xfffb;
const X87 = /^f(?!s:)/;
/** Else in every so many steps. */
const SYSTEM_INTERVAL = 32;
/** Code that was entered in its middle may repeat itself for hours. */
const MAXIMUM_REPETITIONS = 2048;
/** Of an exception frame: error code, EIP, CS, EFLAGS, ESP, SS. */
const FRAME_BYTES = 24;
/** EIP, CS, EFLAGS. */
const IRET_BYTES = 12;
const NOTHING = new Uint8Array(0);
/** Offsets from which on a stack may wrap around into what is a ROM there. */
const NEAR_THE_TOP = 0xff00_0000;
const SEGMENTS = ["cs", "ss", "ds", "es", "fs", "gs"] as const;
const HIGHEST_SEGMENT = 0x8f00;
/** Instructions after which the registers of SystemView are compared. */
const SYSTEM = /^(mov (dr|cr|ss|ds|es|fs|gs)|[ls][gil]dt|ltr|lmsw|wrmsr|pop|l[defgs]s|iret|retf|jmp far|call far|int|sysenter|sysexit)/;

export type Verdict =
  | { readonly kind: "agree"; readonly steps: number; readonly notes?: readonly string[] }
  | { readonly kind: "explained"; readonly steps: number; readonly why: string; readonly qemuLost?: true }
  | { readonly kind: "differ"; readonly steps: number; readonly report: string; readonly qemuLost?: true };

/** What is known when both sides have come apart. */
export interface Difference {
  readonly program: Program;
  /** The instruction's bytes at the linear address where both were, and the text. */
  readonly bytes: Uint8Array;
  readonly text: string;
  readonly before: ProcessorView;
  /** ES CS SS DS FS GS before the instruction, and whether its code is of 32 bits. */
  readonly segments: readonly SegmentView[];
  readonly code32: boolean;
  /** What IRET or RETF find first on the stack, else empty. */
  readonly top: Uint8Array;
  readonly ours: ProcessorView;
  readonly qemu: ProcessorView;
  /** Names of registers that differ, also of what SystemView holds; "memory" at the end, "frame" of an exception, "shutdown" of QEMU alone. */
  readonly fields: readonly string[];
  /** Physical addresses of memory that differs. */
  readonly memory: readonly number[];
  /** Instructions that led here. */
  readonly path: readonly string[];
  /** Vector of the exception that ours took, or -1. */
  readonly exception: number;
  /** Ours and QEMU's. */
  readonly frames?: readonly [Uint8Array, Uint8Array];
  readonly systems?: readonly [SystemView, SystemView];
  /** The program has changed the entry for QEMU's CR2 by accident, and so without INVLPG. */
  readonly remapped?: boolean;
  /** The program has used the x87. */
  readonly x87?: boolean;
}

export async function runProgram(program: Program, ours: Ours, qemu: Qemu): Promise<Verdict> {
  ours.writeMemory(0, program.memory);
  ours.reset(program.entry);
  await qemu.gdb.writeMemory(0, program.memory);
  await qemu.reset(program.entry);
  const end = slotAt(SLOT_COUNT - 1);
  const path: string[] = [], notes: string[] = [];
  let before = ours.view(), x87 = false;
  const known = new Set<string>();
  for (let steps = 0; steps < MAXIMUM_STEPS; steps++) {
    const { linear, bytes, code32 } = ours.place();
    if (linear === end) return finish(program, ours, qemu, steps, before, notes, x87);
    const text = disassembleBytes(bytes, before.eip, code32);
    x87 ||= X87.test(text);
    path.push(`${before.cs.toString(16)}:${before.eip.toString(16)} ${text}`);
    // A processor that waits answers no stub; what repeats itself for hours is no test, nor is what devices say.
    if (bytes[0] === HLT || text.includes("ins") || (isRepeated(bytes) && before.ecx > MAXIMUM_REPETITIONS)) return { kind: "agree", steps, notes };
    if (TABLE_STORE.test(text) && (["ebx", "ebp", "esi", "edi"] as const).some((name) => (before[name] & 0xffff) >= LAST_WHOLE)) return { kind: "explained", steps, why: "SGDT and SIDT with a 16-bit address: the base wraps around within 64 KB" };
    const segments = ours.segments();
    const from = /^(iret|retf)/.test(text) ? ours.stackTop() : -1, top = from < 0 ? NOTHING : ours.readMemory(from, IRET_BYTES);
    const outcome = ours.step();
    // A processor that waits or has shut down answers no stub.
    if (outcome.end !== "done") return { kind: "agree", steps };
    const now = ours.view();
    if (!(await qemu.gdb.step())) {
      // What the program before has left in the debug registers.
      if (steps < FIRST_STEPS) return { kind: "differ", steps, report: "", qemuLost: true };
      const lost: Difference = { program, bytes, text, before, segments, code32, top, ours: now, qemu: before, fields: ["shutdown"], memory: [], exception: outcome.exception, path: path.slice(-6, -1), remapped: isRemapped(program, ours, now, 0) };
      return { ...judge(lost, steps), qemuLost: true };
    }
    let other = await qemu.view();
    // At times a step of QEMU does not get to the instruction.
    for (let n = 0; n < 2 && isSame(other, before) && !isSame(now, before); n++) {
      await qemu.gdb.step();
      other = await qemu.view();
    }
    for (let n = 0; n < MAXIMUM_REPETITIONS && isRepeated(bytes) && other.eip === before.eip && other.cs === before.cs && now.eip !== before.eip; n++) {
      await qemu.gdb.step();
      other = await qemu.view();
    }
    const fields = REGISTERS.filter((name) => (name === "eflags" ? (now.eflags ^ other.eflags) & ~IGNORED_FLAGS : now[name] !== other[name]));
    if (fields.length > 0) {
      // What the program before has left in the debug registers.
      if (steps < FIRST_STEPS) return { kind: "differ", steps, report: "", qemuLost: true };
      const difference: Difference = { program, bytes, text, before, segments, code32, top, ours: now, qemu: other, fields, memory: [], exception: outcome.exception, path: path.slice(-6, -1), remapped: isRemapped(program, ours, now, other.cr2) };
      const explanation = explain(difference);
      if (!explanation?.continues) return judge(difference, steps);
      notes.push(explanation.name);
      await qemu.adopt(now);
    } else if ((now.cr0 & 1) === 0 || (now.eflags & 0x2_0000) !== 0) {
      // Beyond lies what is RAM here and ROM there.
      if (SEGMENTS.some((name) => now[name] > HIGHEST_SEGMENT)) return { kind: "agree", steps, notes };
    }
    if (now.esp >= NEAR_THE_TOP) return { kind: "agree", steps, notes };
    const frameTop = outcome.exception >= 0 ? ours.stackTop() : -1;
    if (frameTop >= 0 && frameTop + FRAME_BYTES <= COMPARED_BYTES) {
      const mine = ours.readMemory(frameTop, FRAME_BYTES), theirs = await qemu.gdb.readMemory(frameTop, FRAME_BYTES);
      const memory = Array.from(mine.keys()).filter((i) => isChange(mine[i]!, theirs[i]!)).map((i) => frameTop + i);
      if (memory.length === 0 && Buffer.compare(mine, theirs) !== 0) await qemu.gdb.writeMemory(frameTop, mine);
      if (memory.length > 0) {
        const difference: Difference = { program, bytes, text, before, segments, code32, top, ours: now, qemu: other, fields: ["frame"], memory, exception: outcome.exception, path: path.slice(-6, -1), frames: [mine, theirs] };
        const explanation = explain(difference);
        if (!explanation?.continues) return judge(difference, steps);
        notes.push(explanation.name);
        await qemu.gdb.writeMemory(frameTop, mine);
      }
    }
    if (linear >= SLOTS && (outcome.exception >= 0 || SYSTEM.test(text) || steps % SYSTEM_INTERVAL === 0)) {
      const systems = [ours.system(), await qemu.system()] as const, differing = systemDifferences(now, ...systems, known);
      if (differing.length > 0) {
        const difference: Difference = { program, bytes, text, before, segments, code32, top, ours: now, qemu: other, fields: differing, memory: [], exception: outcome.exception, path: path.slice(-6, -1), systems };
        const explanation = explain(difference);
        if (!explanation?.continues) return judge(difference, steps);
        notes.push(explanation.name);
      }
    }
    before = now;
  }
  return finish(program, ours, qemu, MAXIMUM_STEPS, before, notes, x87);
}

/** Whether an entry that leads to the page is not what it was, but for accessed and dirty bits. The steps that change entries, of data pages, invalidate them. */
function isRemapped(program: Program, ours: Ours, { cr0, cr4 }: ProcessorView, linear: number): boolean {
  if ((cr0 & 0x8000_0000) === 0 || (linear >= DATA && linear < DATA + DATA_PAGES * 4096)) return false;
  const width = cr4 & 0x20 ? 8 : 4, directory = PAGE_TABLES + (width === 8 ? 0x1000 : 0), table = directory + 0x1000;
  const perTable = 4096 / width, page = linear >>> 12;
  // QEMU reads the pointers of PAE in every walk; the processor loads them with CR3.
  const entries = [...(width === 8 ? [PAGE_TABLES + (linear >>> 30) * 8] : []), directory + Math.floor(page / perTable) * width, table + (page % perTable) * width];
  return entries.some((at) => {
    const now = ours.readMemory(at, width);
    return now.some((byte, n) => ((byte ^ program.memory[at + n]!) & (n === 0 ? ~ACCESSED_DIRTY : ~0) & 0xff) !== 0);
  });
}

/** Names of what differs. What a null selector leaves in its register is the processor's affair; LDTR and TR are what the program before has left, until both sides load them. */
function systemDifferences(now: ProcessorView, ours: SystemView, qemu: SystemView, known: Set<string>): string[] {
  const isProtected = (now.cr0 & 1) !== 0 && (now.eflags & 0x2_0000) === 0;
  return [...ours.keys()].filter((name) => {
    const isTable = name === "ldt" || name === "tr";
    if (ours.get(name) === qemu.get(name)) {
      if (isTable) known.add(name);
      return false;
    }
    if (isTable) return isProtected && known.has(name);
    const segment = name.startsWith("hidden ") ? (name.slice("hidden ".length) as RegisterName) : null;
    if (segment === null) return true;
    // Outside protected mode a segment's rights are the processor's affair, too.
    const placeOf = (view: SystemView): string => view.get(name)!.split(" ").slice(0, 2).join(" ");
    return isProtected ? now[segment] > 3 : placeOf(ours) !== placeOf(qemu);
  });
}

function isSame(a: ProcessorView, b: ProcessorView): boolean {
  return REGISTERS.every((name) => (name === "eflags" ? ((a[name] ^ b[name]) & ~IGNORED_FLAGS) === 0 : a[name] === b[name]));
}

/** Whether a byte differs by more than RF in an image, which QEMU neither sets nor clears, or the W bit of an error code, which it leaves out. */
function isChange(mine: number, other: number): boolean {
  return mine !== other && (mine ^ other) !== 1 && (mine & ~other) !== 2;
}

function isRepeated(bytes: Uint8Array): boolean {
  return bytes.slice(0, 4).some((byte) => byte === 0xf2 || byte === 0xf3);
}

/** RAM at the end. Bit 16 of a stored EFLAGS image is RF. */
async function finish(program: Program, ours: Ours, qemu: Qemu, steps: number, before: ProcessorView, notes: readonly string[], x87: boolean): Promise<Verdict> {
  const mine = ours.readMemory(0, COMPARED_BYTES), other = await qemu.gdb.readMemory(0, COMPARED_BYTES);
  const memory: number[] = [];
  let benign = 0;
  for (let at = 0; at < COMPARED_BYTES; at++) {
    if (mine[at] === other[at]) continue;
    const isTable = at >= PAGE_TABLES && at < SLOTS;
    if (isTable ? ((mine[at]! ^ other[at]!) & ~ACCESSED_DIRTY) !== 0 : isChange(mine[at]!, other[at]!)) memory.push(at);
    else benign++;
  }
  if (memory.length === 0) return { kind: "agree", steps, notes: benign === 0 ? notes : [...notes, BENIGN_MEMORY] };
  return judge({ program, bytes: new Uint8Array(0), text: "(the end)", before, segments: [], code32: true, top: NOTHING, ours: before, qemu: before, fields: ["memory"], memory, exception: -1, path: [], x87 }, steps, mine, other);
}

function judge(difference: Difference, steps: number, mine?: Uint8Array, other?: Uint8Array): Exclude<Verdict, { kind: "agree" }> {
  const why = explain(difference);
  if (why !== null) return { kind: "explained", steps, why: why.name };
  const { program, text, bytes, before, fields, ours, qemu, exception, memory } = difference;
  const hex = (n: number): string => (n >>> 0).toString(16);
  const lines = [
    `${program.kind} seed ${program.seed}, step ${steps}, ${hex(before.cs)}:${hex(before.eip)} ${text} [${Buffer.from(bytes).toString("hex")}]${exception >= 0 ? `, ours raised #${exception}` : ""}`,
    `  after ${difference.path.join("; ")}`,
    ...fields.filter((name) => name in ours).map((name) => `  ${name}: ours ${hex(ours[name as keyof ProcessorView])}, QEMU ${hex(qemu[name as keyof ProcessorView])}, before ${hex(before[name as keyof ProcessorView])}`),
    ...(difference.systems ? fields.map((name) => `  ${name}: ours ${difference.systems![0].get(name)}, QEMU ${difference.systems![1].get(name)}`) : []),
    ...(difference.frames ? difference.frames.map((frame, i) => `  frame of ${i === 0 ? "ours" : "QEMU"}: ${words(frame)}`) : []),
    ...memory.slice(0, difference.frames ? 0 : 8).map((at) => `  byte ${hex(at)}: ours ${hex(mine?.[at] ?? 0)}, QEMU ${hex(other?.[at] ?? 0)}`),
    `  before: eflags ${hex(before.eflags)} cr0 ${hex(before.cr0)} cr4 ${hex(before.cr4)} ss:esp ${hex(before.ss)}:${hex(before.esp)} ds ${hex(before.ds)} es ${hex(before.es)} eax ${hex(before.eax)}`,
  ];
  return { kind: "differ", steps, report: lines.join("\n") };
}

function words(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(i * 4, true).toString(16)).join(" ");
}
