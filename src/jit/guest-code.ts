// The guest's code as a region is made of it: around a place that has become hot.

import { CS, FLAT_BELOW, MODE_CODE32, MODE_FLAT, MODE_HARDWARE, MODE_TRANSLATED, MODE_USER } from "../isa/state-layout.ts";
import { createDecoded, type Decoder, NEEDS_MORE_BYTES } from "../isa/decoder.ts";
import { TOO_LONG, type Decoded } from "../isa/decoded.ts";
import type { Core } from "../cpu/core.ts";
import { formKey } from "../cpu/forms.ts";
import type { ContextUnit } from "../cpu/processor.ts";
import { TLB_CODE_USER } from "../cpu/tlb.ts";
import type { StackState } from "../wasm/translated-stack.ts";
import { type Effect, effectOf } from "./effect.ts";
import type { CodeSource } from "./region.ts";
import type { TargetCells } from "./target-cells.ts";

const PAGE = 4096;

export interface Request {
  readonly record: number;
  readonly linear: number;
  readonly physicalPage: number;
  readonly mode: number;
  /** Of the x87, when the place was last entered. */
  readonly stack: StackState;
}

/** Key of a place: the block's own, and the page. */
export function placeKey(physicalPage: number, key: number): number {
  return physicalPage * 0x100_0000 + key;
}

/** Code around a request, read without any effect on the guest: only pages that the instruction TLB holds, and that hold decoded code. */
export class GuestCode implements CodeSource {
  private readonly core: Core;
  private readonly decoder: Decoder;
  private readonly effects: Map<number, Effect>;
  private readonly exiting: ReadonlySet<number>;
  private readonly cells: TargetCells;
  private readonly entries: ReadonlyMap<number, unknown>;
  private readonly request: Request;
  private readonly unit: ContextUnit;
  private readonly bytes = new Uint8Array(16);
  readonly mode: number;

  constructor(core: Core, decoder: Decoder, effects: Map<number, Effect>, exiting: ReadonlySet<number>, entries: ReadonlyMap<number, unknown>, cells: TargetCells, request: Request) {
    this.cells = cells;
    this.entries = entries;
    this.core = core;
    this.decoder = decoder;
    this.effects = effects;
    this.exiting = exiting;
    this.request = request;
    this.mode = request.mode;
    this.unit = request.mode & MODE_HARDWARE ? core.cpu.h : core.cpu.v;
  }

  /** Physical page at that distance in pages, -1 where it is not known. */
  physicalPage(page: number): number {
    const { request, unit } = this;
    if (page === 0) return request.physicalPage;
    // Segmented code may wrap around its segment, so it stays in one page.
    if ((request.mode & MODE_FLAT) === 0) return -1;
    const linearPage = ((request.linear >>> 12) + page) & 0xf_ffff;
    // The limit of a kernel that a monitor keeps in ring 1 may end there.
    if (linearPage >= FLAT_BELOW >>> 12 && (request.mode & (MODE_HARDWARE | MODE_USER)) === MODE_HARDWARE) return -1;
    const entry = unit.tlb.code(linearPage);
    if (entry === 0 || (request.mode & MODE_USER && (entry & TLB_CODE_USER) === 0)) return -1;
    return this.core.blocks.holdsCode(entry >>> 12) ? entry >>> 12 : -1;
  }

  decode(at: number): { decoded: Decoded; crosses: boolean; effect: Effect | null } | null {
    const { core, decoder, request, unit } = this;
    const page = at >> 12, offset = at & (PAGE - 1);
    const physicalPage = this.physicalPage(page);
    const host = physicalPage < 0 ? 0 : unit.physical.hostPage(physicalPage);
    if (host === 0) return null;
    const code32 = (request.mode & MODE_CODE32) !== 0;
    const decoded = createDecoded();
    let length = decoder.decodeBytes(core.cpu.state.u8, host + offset, host + PAGE, code32, decoded);
    let crosses = false;
    if (length !== TOO_LONG && length !== NEEDS_MORE_BYTES && core.blocks.isSpoilt(physicalPage * PAGE + offset + 1, length - 1, request.mode)) return null;
    if (length === NEEDS_MORE_BYTES) {
      const second = this.physicalPage(page + 1);
      const secondHost = second < 0 ? 0 : unit.physical.hostPage(second);
      if (secondHost === 0) return null;
      const inFirst = PAGE - offset;
      for (let i = 0; i < 16; i++) this.bytes[i] = core.cpu.state.u8[i < inFirst ? host + offset + i : secondHost + i - inFirst];
      length = decoder.decodeBytes(this.bytes, 0, 16, code32, decoded);
      crosses = true;
      const spoilt = core.blocks.isSpoilt(physicalPage * PAGE + offset + 1, inFirst - 1, request.mode) || core.blocks.isSpoilt(second * PAGE, length - inFirst, request.mode);
      if (spoilt) return null;
    }
    if (length === NEEDS_MORE_BYTES || length === TOO_LONG) return null;
    if (request.mode & MODE_TRANSLATED && !this.passes(physicalPage, offset, decoded)) return null;
    return { decoded, crosses, effect: this.cutsEip(at, decoded) ? null : this.effectOf(decoded) };
  }

  /** A branch of 16-bit operand size that does not go where its distance says, as it drops the upper half of EIP. In flat code, which may run at any address, each may. */
  private cutsEip(at: number, { row, operandSize, length, immediate }: Decoded): boolean {
    if (row === null || operandSize !== 2 || !row.operands.some((code) => code === "Jb" || code === "Jz")) return false;
    if (this.request.mode & MODE_FLAT) return true;
    const eip = ((this.request.linear & ~(PAGE - 1)) + at - this.unit.context.segmentBase(CS)) | 0;
    return ((eip + length + immediate) & ~0xffff) !== 0;
  }

  /** Code that a monitor translates: an instruction that it has come to already, with the meaning that it gave it. */
  private passes(physicalPage: number, offset: number, d: Decoded): boolean {
    const { pass } = this.core.blocks, { mode } = this.request;
    if (pass === null || !pass.admits(physicalPage, offset | (mode << 12))) return false;
    if (d.row !== null) d.row = pass.emit(d.row, d, physicalPage * PAGE + offset, mode);
    return true;
  }

  private effectOf(d: Decoded): Effect | null {
    if (d.row === null) return null;
    const key = formKey(d.row, d, this.request.mode);
    let effect = this.effects.get(key);
    if (!effect) {
      effect = effectOf(d.row, d);
      this.effects.set(key, effect);
    }
    return effect;
  }

  exitsOften(at: number): boolean { return this.exiting.has(this.placeOf(at)); }
  isEntered(at: number): boolean { return this.entries.has(this.placeOf(at)); }

  /** Key of the place, -1 where it is not known. */
  private placeOf(at: number): number {
    const physicalPage = this.physicalPage(at >> 12);
    return physicalPage < 0 ? -1 : placeKey(physicalPage, (at & (PAGE - 1)) | (this.request.mode << 12));
  }

  targets(at: number, callers: readonly number[]): readonly number[] {
    return this.cells.targets(this.siteKey(at, callers)).map((distance) => (at + distance) | 0);
  }

  /** The same for every region that holds the transfer. */
  siteKey(at: number, callers: readonly number[]): string {
    const places = [at, ...callers].map((place) => `${this.physicalPage(place >> 12)}.${place & (PAGE - 1)}`);
    return `${places.join("<")}:${this.request.mode}`;
  }

  isKnown(at: number): boolean {
    const physicalPage = this.physicalPage(at >> 12);
    return physicalPage >= 0 && this.core.blocks.recordOf(physicalPage, (at & (PAGE - 1)) | (this.request.mode << 12)) !== 0;
  }
}
