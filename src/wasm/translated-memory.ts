// Guest memory in translated code: the TLB is tested in place; what the test does not pass is a side exit. Places that often cross a
// page boundary call shared functions instead.

import type { SegmentRef, Width } from "../isa/builder.ts";
import { BESIDE_FROM, BESIDE_HOST, BESIDE_PAGE, BESIDE_TO } from "../isa/state-layout.ts";
import { loadOp, storeOp, WasmBuilder } from "./backend.ts";
import { loadAcross, storeAcross } from "./crossing.ts";
import { I32, I64 } from "./encoder.ts";
import { constant, type Expression, OP } from "./function-emitter.ts";
import { V128_LOAD, V128_STORE } from "./vector-opcodes.ts";

export interface TranslatedCode {
  readonly mode: number;
  /** Addresses of the context block and its TLB tables for this mode. */
  readonly context: number;
  readonly tlbRead: number;
  readonly tlbWrite: number;
  /** Of all privileges. */
  readonly tables: TlbTables;
}

/** Addresses of the data TLBs. */
export interface TlbTables {
  readonly readSupervisor: number;
  readonly writeSupervisor: number;
  readonly readUser: number;
  readonly writeUser: number;
}

/** Accesses at known distances from each other, of `span` bytes together; `from` is the lowest. */
export interface AccessGroup {
  from: number;
  span: number;
  /** What the TLB said of all of them. */
  entry: Expression | null;
}
interface GroupedAccess {
  readonly group: AccessGroup;
  readonly at: number;
}
/** Of one instruction: its memory operand, which is written or read alone, and the stack. */
export interface GroupedAccesses {
  readonly operandRead?: GroupedAccess;
  readonly operandWrite?: GroupedAccess;
  readonly stackRead?: GroupedAccess;
  readonly stackWrite?: GroupedAccess;
}

/** A page that was accessed: its linear address, and what leads from there to the host's. */
interface LastPage {
  readonly begin: Expression;
  readonly distance: Expression;
}

export abstract class TranslatedMemory extends WasmBuilder {
  protected abstract readonly code: TranslatedCode;
  /** The present instruction left again and again: it may cross page boundaries. */
  protected exitsOften = false;

  /** Leaves with the present instruction undone if `condition` is not 0. */
  protected abstract sideExitIf(condition: Expression): void;
  abstract effectiveAddress(): Expression;

  /** A store of the present instruction may go beside what is watched in its page (Tlb.openBeside). */
  protected storesBeside = false;

  /** Name of the page that the next access is probably in; null: nobody knows. */
  protected page: string | null = null;
  private readonly pages = new Map<string, LastPage>();
  protected accesses: GroupedAccesses | null = null;
  /** What the next access is for. */
  protected isOperand = false;
  protected isStack = false;
  /** Depth of labels where the block began: code in there always runs. */
  protected blockDepth = 0;

  /** No page is below zero. */
  protected forgetPages(): void {
    for (const { begin } of this.pages.values()) this.fn.assign(begin, this.imm64(-1n << 40n));
  }

  /** Host address of `bytes` bytes at `linear`; leaves where the TLB does not know it. */
  private host(table: number, linear: Expression, bytes: number): Expression {
    const grouped = this.groupedAccess(table);
    if (grouped) return this.hostInGroup(grouped, table, linear);
    if (this.page !== null && !this.storesBeside) return this.hostInPage(`${table}:${this.page}`, table, linear, bytes);
    const { entry, miss } = this.entryOf(table, linear, bytes);
    if (this.storesBeside && table === this.code.tlbWrite) return this.hostBeside(linear, entry, miss, bytes);
    this.sideExitIf(miss);
    return this.add(linear, entry);
  }

  private groupedAccess(table: number): GroupedAccess | null {
    const { accesses, code } = this;
    if (accesses === null || this.storesBeside) return null;
    const isWrite = table === code.tlbWrite;
    const grouped = this.isOperand ? (isWrite ? accesses.operandWrite : accesses.operandRead) : this.isStack ? (isWrite ? accesses.stackWrite : accesses.stackRead) : undefined;
    if (!grouped || (grouped.group.entry === null && this.fn.depth !== this.blockDepth)) return null;
    return grouped;
  }

  private hostInGroup({ group, at }: GroupedAccess, table: number, linear: Expression): Expression {
    const { fn } = this;
    if (group.entry === null) {
      const lowest = fn.bind(this.sub(linear, constant(at - group.from)));
      const { entry, miss } = this.entryOf(table, lowest, group.span);
      this.sideExitIf(miss);
      group.entry = fn.ownLocal(I32);
      fn.assign(group.entry, entry);
    }
    return this.add(linear, group.entry);
  }

  /** What the TLB said of the page last time still holds: nothing inside the region changes it. */
  private hostInPage(name: string, table: number, linear: Expression, bytes: number): Expression {
    const { fn, pages } = this;
    let last = pages.get(name);
    if (!last) {
      last = { begin: fn.ownLocal(I64), distance: fn.ownLocal(I32) };
      pages.set(name, last);
    }
    const { begin, distance } = last;
    fn.openIf(this.ltU64(this.imm64(BigInt(4096 - bytes)), this.sub64(this.extendU(linear), begin)));
    const { entry, miss } = this.entryOf(table, linear, bytes);
    this.sideExitIf(miss);
    fn.assign(begin, this.extendU(this.and(linear, constant(~4095))));
    fn.assign(distance, entry);
    fn.close();
    return this.add(linear, distance);
  }

  private hostBeside(linear: Expression, entry: Expression, miss: Expression, bytes: number): Expression {
    const { fn } = this;
    const distance = fn.newLocal(I32);
    fn.assign(distance, entry);
    fn.openIf(miss);
    const offset = this.and(linear, constant(4095));
    const isOther = this.ne(this.or(this.and(linear, constant(~4095)), constant(1)), this.get(BESIDE_PAGE));
    const isWatched = this.and(this.gtS(this.add(offset, constant(bytes)), this.get(BESIDE_FROM)), this.ltS(offset, this.get(BESIDE_TO)));
    this.sideExitIf(this.or(this.or(isOther, isWatched), this.gtS(offset, constant(4096 - bytes))));
    fn.assign(distance, this.get(BESIDE_HOST));
    fn.close();
    return this.add(linear, distance);
  }

  private entryOf(table: number, linear: Expression, bytes: number): { readonly entry: Expression; readonly miss: Expression } {
    const slot = this.and(this.shrU(linear, constant(10)), constant(0x3f_fffc));
    const entry = this.fn.load(OP.load32, slot, table);
    const miss = bytes === 1 ? this.and(entry, constant(4095)) : this.gtU(this.and(this.or(linear, entry), constant(4095)), constant(4096 - bytes));
    return { entry, miss };
  }

  /** A load of up to 8 bytes. */
  private loadPlain(op: number, linear: Expression, bytes: number): Expression {
    const { fn } = this;
    const table = this.code.tlbRead;
    if (!this.exitsOften || bytes === 1) return fn.load(op, this.host(table, linear, bytes), 0);
    const { entry, miss } = this.entryOf(table, linear, bytes);
    const result = fn.newLocal(bytes === 8 ? I64 : I32);
    fn.openIf(miss);
    const [value, done] = this.call(loadAcross, linear, constant(table), constant(bytes));
    this.sideExitIf(this.eqz(done));
    fn.assign(result, bytes === 8 ? value : this.wrap(value));
    fn.otherwise();
    fn.assign(result, fn.load(op, this.add(linear, entry), 0));
    fn.close();
    return result;
  }

  private storePlain(op: number, linear: Expression, bytes: number, value: Expression): void {
    const { fn } = this;
    const table = this.code.tlbWrite;
    if (!this.exitsOften || bytes === 1) {
      fn.store(op, this.host(table, linear, bytes), 0, value);
      return;
    }
    const { entry, miss } = this.entryOf(table, linear, bytes);
    fn.openIf(miss);
    const [done] = this.call(storeAcross, linear, constant(table), constant(bytes), bytes === 8 ? value : this.extendU(value));
    this.sideExitIf(this.eqz(done));
    fn.otherwise();
    fn.store(op, this.add(linear, entry), 0, value);
    fn.close();
  }

  protected override loadLinear(linear: Expression, width: Width): Expression {
    return this.loadPlain(loadOp[width], linear, width);
  }

  protected override storeLinear(linear: Expression, width: Width, value: Expression): void {
    this.storePlain(storeOp[width], linear, width, value);
  }

  override load64(ref: SegmentRef, offset: Expression): Expression {
    return this.loadPlain(OP.load64, this.linear(ref, offset, 8, false), 8);
  }

  override store64(ref: SegmentRef, offset: Expression, value: Expression): void {
    const bound = this.fn.bind(value);
    this.storePlain(OP.store64, this.linear(ref, offset, 8, true), 8, bound);
  }

  override load128(ref: SegmentRef, offset: Expression, aligned: boolean): Expression {
    const linear = this.linear(ref, offset, 16, false);
    if (aligned) this.sideExitIf(this.and(linear, constant(15)));
    return this.fn.load(V128_LOAD, this.host(this.code.tlbRead, linear, 16), 0);
  }

  override store128(ref: SegmentRef, offset: Expression, value: Expression, aligned: boolean): void {
    const bound = this.fn.bind(value);
    const linear = this.linear(ref, offset, 16, true);
    if (aligned) this.sideExitIf(this.and(linear, constant(15)));
    this.fn.store(V128_STORE, this.host(this.code.tlbWrite, linear, 16), 0, bound);
  }

  override probeWrite(ref: SegmentRef, offset: Expression, bytes: number): void {
    this.host(this.code.tlbWrite, this.linear(ref, offset, bytes, true), bytes);
  }

  readForWrite(width: Width): { readonly value: Expression; write(value: Expression): void } {
    const { fn } = this;
    const table = this.code.tlbWrite;
    const linear = this.linear("operand", this.effectiveAddress(), width, true);
    if (!this.exitsOften || width === 1) {
      const host = fn.bind(this.host(table, linear, width));
      return { value: fn.load(loadOp[width], host, 0), write: (value) => fn.store(storeOp[width], host, 0, value) };
    }
    const { entry, miss } = this.entryOf(table, linear, width);
    const host = fn.newLocal(I32), value = fn.newLocal(I32);
    fn.openIf(miss);
    const [across, done] = this.call(loadAcross, linear, constant(table), constant(width));
    this.sideExitIf(this.eqz(done));
    fn.assign(value, this.wrap(across));
    fn.assign(host, constant(0));
    fn.otherwise();
    fn.assign(host, this.add(linear, entry));
    fn.assign(value, fn.load(loadOp[width], host, 0));
    fn.close();
    return {
      value,
      write: (result) => {
        const bound = fn.bind(result);
        fn.openIf(host);
        fn.store(storeOp[width], host, 0, bound);
        fn.otherwise();
        this.call(storeAcross, linear, constant(table), constant(width), this.extendU(bound));
        fn.close();
      },
    };
  }
}
