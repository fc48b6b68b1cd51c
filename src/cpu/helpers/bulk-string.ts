// The accelerator of REP MOVS, STOS, INS, OUTS and LODS: whole runs of elements between pages that the TLB knows.
//
// It does only what it can prove equal to the element loop, and never faults: DF clear, plain segments, within limits, no
// device, no code page, no breakpoint (all of which are absent from the TLB). The rest is the interpreter's.

import {
  DR7, EAX, ECX, EDI, EDX, EFLAGS_DF, EFLAGS_SHARED, ES, ESI, SEG_FAST_READ, SEG_FAST_WRITE,
} from "../../isa/state-layout.ts";
import type { BulkMemory } from "../../wasm/bulk-memory.ts";
import { hostForRead, hostForWrite, type Width } from "../linear-memory.ts";
import type { Processor } from "../processor.ts";
import type { CpuState } from "../state.ts";

export const BULK_MOVS = 0, BULK_STOS = 1, BULK_INS = 2, BULK_OUTS = 3, BULK_LODS = 4;
/** Bytes of one call: interrupts are looked at in between. */
const SLICE = 0x1_0000;

export function bulkString(p: Processor, kind: number, width: number, addressSize: number, segment: number): number {
  const { context, state } = p;
  if (state.read(EFLAGS_SHARED) & EFLAGS_DF) return 0;
  if ((kind === BULK_INS || kind === BULK_OUTS) && (context.get(DR7) & 0xff) !== 0) return 0;
  const reads = kind === BULK_MOVS || kind === BULK_OUTS || kind === BULK_LODS;
  const writes = kind === BULK_MOVS || kind === BULK_STOS || kind === BULK_INS;
  if (reads && (context.segmentFast(segment) & SEG_FAST_READ) === 0) return 0;
  if (writes && (context.segmentFast(ES) & SEG_FAST_WRITE) === 0) return 0;
  const source = addressOf(p, ESI, addressSize), destination = addressOf(p, EDI, addressSize);
  const count = addressSize === 4 ? state.gpr(ECX) >>> 0 : state.gpr(ECX) & 0xffff;
  let elements = Math.min(count, Math.floor(SLICE / width));
  if (reads) elements = Math.min(elements, elementsWithin(p, segment, source, addressSize, width));
  if (writes) elements = Math.min(elements, elementsWithin(p, ES, destination, addressSize, width));

  let done = 0;
  while (done < elements) {
    const from = (context.segmentBase(reads ? segment : ES) + source + done * width) | 0;
    const to = (context.segmentBase(ES) + destination + done * width) | 0;
    let bytes = (elements - done) * width;
    if (reads) bytes = Math.min(bytes, 4096 - (from & 0xfff));
    if (writes) bytes = Math.min(bytes, 4096 - (to & 0xfff));
    bytes -= bytes % width;
    const hostFrom = reads ? hostForRead(p, from) : 0, hostTo = writes ? hostForWrite(p, to) : 0;
    if (bytes === 0 || hostFrom < 0 || hostTo < 0) break;
    const moved = transfer(p, kind, width as Width, hostFrom, hostTo, bytes);
    done += moved / width;
    if (moved < bytes) break;
  }
  if (done === 0) return 0;
  advance(p, ECX, addressSize, -done);
  if (reads) advance(p, ESI, addressSize, done * width);
  if (writes) advance(p, EDI, addressSize, done * width);
  return done;
}

function addressOf(p: Processor, register: number, addressSize: number): number {
  return addressSize === 4 ? p.state.gpr(register) >>> 0 : p.state.gpr(register) & 0xffff;
}

/** Elements before the limit, the top of a 16-bit address or of the linear space. */
function elementsWithin(p: Processor, segment: number, offset: number, addressSize: number, width: number): number {
  const last = Math.min(p.context.segmentLimit(segment), addressSize === 4 ? 0xffff_ffff : 0xffff);
  return offset > last ? 0 : Math.floor((last - offset + 1) / width);
}

function advance(p: Processor, register: number, addressSize: number, by: number): void {
  p.state.setRegister(register, addressSize, p.state.gpr(register) + by);
}

/** Bytes that were moved between two host addresses. */
function transfer(p: Processor, kind: number, width: Width, from: number, to: number, bytes: number): number {
  const { state } = p, { u8, bulk } = state, { ports } = p.hooks;
  switch (kind) {
    case BULK_MOVS:
      return copy(bulk, from, to, bytes, width);
    case BULK_STOS:
      fill(state, to, bytes, state.register(EAX, width), width);
      return bytes;
    case BULK_INS:
      return ports.readBlock?.(state.gpr(EDX) & 0xffff, width, u8.subarray(to, to + bytes)) ?? 0;
    case BULK_OUTS:
      return ports.writeBlock?.(state.gpr(EDX) & 0xffff, width, u8.subarray(from, from + bytes)) ?? 0;
    default: {
      const last = from + bytes - width;
      state.setRegister(EAX, width, width === 1 ? u8[last] : width === 2 ? state.view.getUint16(last, true) : state.view.getInt32(last, true));
      return bytes;
    }
  }
}

/** Element by element, forwards: where the destination overlaps the end of the source, the distance between them repeats. */
function copy(memory: BulkMemory, from: number, to: number, bytes: number, width: number): number {
  const distance = to - from;
  if (distance <= 0 || distance >= bytes) {
    memory.copy(to, from, bytes);
    return bytes;
  }
  // Elements that overlap themselves have no such period.
  if (distance % width !== 0) return 0;
  repeat(memory, to, bytes, distance);
  return bytes;
}

/** Continues the pattern of `period` bytes that ends at `to` over `bytes` more. */
function repeat(memory: BulkMemory, to: number, bytes: number, period: number): void {
  const from = to - period;
  for (let done = 0; done < bytes; ) {
    const piece = Math.min(period + done, bytes - done);
    memory.copy(to + done, from, piece);
    done += piece;
  }
}

function fill({ u8, bulk }: CpuState, to: number, bytes: number, value: number, width: number): void {
  let isUniform = true;
  for (let i = 1; i < width; i++) isUniform &&= ((value >>> (8 * i)) & 0xff) === (value & 0xff);
  if (isUniform) {
    bulk.fill(to, value, bytes);
    return;
  }
  for (let i = 0; i < width; i++) u8[to + i] = value >>> (8 * i);
  repeat(bulk, to + width, bytes - width, width);
}
