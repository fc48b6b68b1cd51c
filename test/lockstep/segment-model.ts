// Whether an instruction breaks a rule of segmentation, told by the plainest reading of the manual (SDM Vol. 3A, "Limit Checking",
// "Type Checking"): the judge where QEMU, which checks neither limits nor types, lets pass what ours refuses.

import { createDecoded, createDecoder } from "../../src/isa/decoder.ts";
import { ROWS } from "../../src/isa/opcode-map/index.ts";
import { resolveOperand } from "../../src/isa/operand-location.ts";
import { DS, EDI, ES, ESI, SS } from "../../src/isa/state-layout.ts";
import type { ProcessorView, SegmentView } from "./processor-view.ts";

const GENERAL = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"] as const;
const ACCESS_CODE = 8, ACCESS_EXPAND_DOWN = 4, ACCESS_WRITABLE = 2, ACCESS_BIG = 0x4000, ACCESS_UNUSABLE = 0x1_0000;
/** What a stack instruction may push or pop: PUSHA, a frame through a gate, the parameters of ENTER. */
const STACK_REACH = 64;
const EBX = 3, AL = 0xff;
const EFLAGS_AC = 0x4_0000, EFLAGS_VM = 0x2_0000, CR0_AM = 0x4_0000;

const decoder = createDecoder(ROWS);

/** Whether [offset, offset + bytes) may not be read, or with `write` not be written, through the segment. */
export function isForbidden({ limit, access }: SegmentView, offset: number, bytes: number, write: boolean): boolean {
  if (access & ACCESS_UNUSABLE) return true;
  const isCode = (access & ACCESS_CODE) !== 0;
  if (write ? isCode || (access & ACCESS_WRITABLE) === 0 : isCode && (access & ACCESS_WRITABLE) === 0) return true;
  const last = offset + bytes - 1;
  if (isCode || (access & ACCESS_EXPAND_DOWN) === 0) return last > limit;
  return offset <= limit || last > (access & ACCESS_BIG ? 0xffff_ffff : 0xffff);
}

/** Where the memory operands of an instruction lie: segment, offset, bytes, whether it is written. */
function* operands(bytes: Uint8Array, code32: boolean, before: ProcessorView, ours: ProcessorView): Generator<readonly [segment: number, offset: number, bytes: number, write: boolean]> {
  const d = createDecoded();
  decoder.decodeBytes(bytes, 0, bytes.length, code32, d);
  const { row } = d;
  if (!row) return;
  const mask = (value: number) => (d.addressSize === 2 ? value & 0xffff : value >>> 0);
  const register = (n: number, view = before) => (n < 0 ? 0 : view[GENERAL[n]!]);
  if (row.mnemonic === "XLAT") yield [d.segmentOverride < 0 ? DS : d.segmentOverride, mask(register(EBX) + (before.eax & AL)), 1, false];
  for (const [n, code] of row.operands.entries()) {
    const { kind, width } = resolveOperand(code, d);
    const written = n === 0 && !row.readsOnly;
    if (kind === "string-src") yield [d.segment, mask(register(ESI, ours)), width, false];
    if (kind === "string-dst") yield [ES, mask(register(EDI, ours)), width, written];
    if (kind !== "mem") continue;
    // BTS and its kin reach beyond their operand.
    const beyond = /^BT/.test(row.mnemonic) && row.operands[1] === "Gv" ? Math.floor((register(d.reg) | 0) / (8 * d.operandSize)) * d.operandSize : 0;
    yield [d.segment, mask(register(d.base) + (register(d.index) << d.scale) + d.displacement + beyond), width || 1, written];
  }
}

/** LOCK where the manual does not allow it. */
export function isLockInvalid(bytes: Uint8Array, code32: boolean): boolean {
  const d = createDecoded();
  decoder.decodeBytes(bytes, 0, bytes.length, code32, d);
  return d.lockInvalid || d.row === null;
}

/** Whether alignment is asked for, and a memory operand or the stack is not as the manual wants it (Vol. 3A, "Alignment Check Exception"). */
export function isMisaligned(text: string, bytes: Uint8Array, code32: boolean, before: ProcessorView, segments: readonly SegmentView[], ours: ProcessorView): boolean {
  const asked = (before.eflags & EFLAGS_AC) !== 0 && (before.cr0 & CR0_AM) !== 0 && ((before.eflags & EFLAGS_VM) !== 0 || (before.cs & 3) === 3);
  if (!asked) return false;
  for (const [segment, offset, width] of operands(bytes, code32, before, ours)) {
    // SGDT and SIDT store a word and, behind it, a doubleword (Vol. 3A, "Memory-Management Registers").
    const isTable = width === 6 && /^s[gi]dt/.test(text), at = segments[segment]!.base + offset;
    if (((isTable ? at + 2 : at) & ((width === 6 ? 4 : width) - 1)) !== 0) return true;
  }
  return ((segments[SS]!.base + before.esp) & 3) !== 0 || ((segments[SS]!.base + before.ebp) & 3) !== 0;
}

/** `before` the instruction; `ours` after it, where a string instruction's registers tell the element that faulted. */
export function breaksSegment(bytes: Uint8Array, code32: boolean, before: ProcessorView, segments: readonly SegmentView[], ours: ProcessorView): boolean {
  for (const [segment, offset, width, write] of operands(bytes, code32, before, ours)) if (isForbidden(segments[segment]!, offset, width, write)) return true;
  const d = createDecoded();
  decoder.decodeBytes(bytes, 0, bytes.length, code32, d);
  if (!/^(PUSH|POP|CALL|RET|INT|ENTER|LEAVE|IRET)/.test(d.row?.mnemonic ?? "")) return false;
  const stack = segments[SS]!, top = stack.access & ACCESS_BIG ? before.esp : before.esp & 0xffff, frame = stack.access & ACCESS_BIG ? before.ebp : before.ebp & 0xffff;
  // Somewhere in reach of ESP, or of the frame that ENTER and LEAVE follow.
  return [top, frame].some((at) => [-STACK_REACH, -1, 0, STACK_REACH].some((distance) => isForbidden(stack, (at + distance) >>> 0, 1, true)));
}
