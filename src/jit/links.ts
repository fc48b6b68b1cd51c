// Ways from region to region that do not lead through the interpreter's loop.
//
// A region that leaves for a known place outside has a link to it: a place in a table of its module, and a word in the shared
// memory. While a region begins at the place of the link, its function is in the table, and the word holds the number of its entry: the
// region then ends with a tail call. It has stored its whole state before, so that what it goes on to may decline.
//
// Where the guest calls a function, the region calls the other, and waits: most functions return to where they were called from.

import { ENTRY_CHAINED, L_ENTRY, L_RETURN, LINK_BYTES, LINK_JUMP, LINK_OPEN, REGION_LINKS, RETURN_ENTRY_BITS } from "../wasm/region-result.ts";
import { I32, ModuleWriter } from "../wasm/encoder.ts";
import { FunctionEmitter, constant, OP } from "../wasm/function-emitter.ts";

/** One way out of a region. */
export interface Link {
  /** Where it leads: the key of code-cache.ts. */
  readonly place: number;
  /** Address of its words. */
  readonly words: number;
  /** L_RETURN. */
  readonly back: number;
  /** Its place in the table of its module. */
  readonly number: number;
  table: WebAssembly.Table | null;
}

const LINKS = 0x1_0000;
export const LINK_AREA_BYTES = LINKS * LINK_BYTES;

/** Whether the host has tail calls. */
export function hostChains(): boolean {
  const module = new ModuleWriter(1), fn = new FunctionEmitter([I32]);
  module.exportTable(1);
  fn.emit(constant(0));
  fn.emit(constant(0));
  fn.code.byte(OP.returnCallIndirect);
  const type = module.type([I32], [I32]);
  fn.code.unsigned(type);
  fn.code.byte(0);
  module.addFunction(type, fn.finish(), null);
  return WebAssembly.validate(module.encode());
}

/** L_RETURN of a link behind which its region goes on at `back`, if that can be said. */
export function returnWord(back: { readonly entry: number; readonly at: number } | null): number {
  if (back === null || back.entry >> RETURN_ENTRY_BITS !== 0) return LINK_JUMP;
  const word = (back.at << RETURN_ENTRY_BITS) | back.entry;
  return word >> RETURN_ENTRY_BITS === back.at ? word : LINK_JUMP;
}

export class Links {
  private readonly i32: Int32Array;
  private readonly area: number;
  private readonly onClosed: () => void;
  private used = 0;
  /** Room that regions have left, by the number of their links. */
  private readonly left = Array.from({ length: REGION_LINKS + 1 }, (): number[] => []);
  private readonly byPlace = new Map<number, Set<Link>>();

  /** `area`: LINK_AREA_BYTES of the shared memory. `onClosed`: a link leads somewhere from now on. */
  constructor(i32: Int32Array, area: number, onClosed: () => void) {
    this.i32 = i32;
    this.area = area;
    this.onClosed = onClosed;
  }

  /** Address of room for so many links of one region; 0: there is none. */
  reserve(count: number): number {
    const again = this.left[count]!.pop();
    if (again !== undefined) return again;
    if (this.used + count > LINKS) return 0;
    this.used += count;
    return this.area + (this.used - count) * LINK_BYTES;
  }

  release(room: number, count: number): void {
    this.left[count]!.push(room);
  }

  /** `entry` and `code`: of the region that begins at the place of the link, if there is one. */
  add(link: Link, table: WebAssembly.Table, entry: number, code: unknown): void {
    link.table = table;
    this.i32[(link.words + L_RETURN) >> 2] = link.back;
    const others = this.byPlace.get(link.place);
    if (others) others.add(link);
    else this.byPlace.set(link.place, new Set([link]));
    if (code === null) this.i32[(link.words + L_ENTRY) >> 2] = LINK_OPEN;
    else this.close(link, entry, code);
  }

  remove(link: Link): void {
    const others = this.byPlace.get(link.place);
    if (others?.delete(link) && others.size === 0) this.byPlace.delete(link.place);
  }

  /** A region begins at the place now. */
  connect(place: number, entry: number, code: unknown): void {
    for (const link of this.byPlace.get(place) ?? []) this.close(link, entry, code);
  }

  /** No region begins there any more. */
  disconnect(place: number): void {
    for (const link of this.byPlace.get(place) ?? []) {
      this.i32[(link.words + L_ENTRY) >> 2] = LINK_OPEN;
      link.table!.set(link.number, null);
    }
  }

  private close(link: Link, entry: number, code: unknown): void {
    link.table!.set(link.number, code);
    this.i32[(link.words + L_ENTRY) >> 2] = ENTRY_CHAINED | entry;
    this.onClosed();
  }

  forget(): void {
    this.used = 0;
    for (const rooms of this.left) rooms.length = 0;
    this.byPlace.clear();
  }
}
