// Ports: who may use them, and the accesses. SDM Vol. 1, "Input/Output", "Protected-Mode I/O".

import { CPL, CR0, EFLAGS_IOPL, EFLAGS_SYSTEM, EFLAGS_VM, TR } from "../../isa/state-layout.ts";
import { notePortBreakpoint } from "../debug.ts";
import { loadTable, type Width } from "../linear-memory.ts";
import { CR0_PE } from "../control-bits.ts";
import { GP, type Processor } from "../processor.ts";

const IO_MAP_BASE = 0x66, TSS_MINIMUM_LIMIT = 0x67;

/** Raises #GP(0) unless IOPL or the TSS's bitmap allows every byte of the access. In V86 the bitmap alone decides. */
export function checkIo(p: Processor, port: number, width: number): boolean {
  const { context: c } = p;
  const system = c.get(EFLAGS_SYSTEM);
  if ((c.get(CR0) & CR0_PE) === 0) return true;
  if ((system & EFLAGS_VM) === 0 && c.get(CPL) <= (system & EFLAGS_IOPL) >> 12) return true;
  if (bitmapAllows(p, port & 0xffff, width)) return true;
  if (p.state.fault === 0) p.raise(GP, 0);
  return false;
}

function bitmapAllows(p: Processor, port: number, width: number): boolean {
  const { context: c } = p;
  const base = c.segmentBase(TR), limit = c.segmentLimit(TR);
  // A 16-bit TSS has no bitmap.
  if ((c.segmentAccess(TR) & 8) === 0 || limit < TSS_MINIMUM_LIMIT) return false;
  const map = loadTable(p, (base + IO_MAP_BASE) | 0, 2);
  if (p.state.fault !== 0) return false;
  // Two bytes are always read, so the map ends with a byte of ones inside the limit.
  const at = map + (port >> 3);
  if (at + 1 > limit) return false;
  const bits = loadTable(p, (base + at) | 0, 2);
  return p.state.fault === 0 && ((bits >> (port & 7)) & ((1 << width) - 1)) === 0;
}

export function portIn(p: Processor, port: number, width: number): number {
  if (!checkIo(p, port, width)) return 0;
  notePortBreakpoint(p, port & 0xffff, width);
  return p.hooks.ports.read(port & 0xffff, width as Width);
}

export function portOut(p: Processor, port: number, width: number, value: number): void {
  if (!checkIo(p, port, width)) return;
  notePortBreakpoint(p, port & 0xffff, width);
  p.hooks.ports.write(port & 0xffff, width as Width, width === 4 ? value >>> 0 : value & (width === 2 ? 0xffff : 0xff));
}
