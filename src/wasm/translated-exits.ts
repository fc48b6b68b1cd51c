// Ways out of translated code. Every exit carries its place as a value of 64 bits: distance of EIP from EIP_BASE in bits 16 and up, the number
// of a link in bits 11-15, instructions of the basic block that did not run in bits 1-10, bit 0 as the result of the function.

import { constant, type Expression, OP } from "./function-emitter.ts";
import { CELL_TARGETS, REGION_LOOKUP, REGION_SIDE_EXIT } from "./region-result.ts";
import { TranslatedStack } from "./translated-stack.ts";

/** Where the fields of an exit are. */
export const EXIT_NOT_RUN = 1, EXIT_LINK = 11;

export abstract class TranslatedExits extends TranslatedStack {
  /** Number of the stub that exits go through now: 0 does nothing. */
  protected abstract stubOfFlags(): number;

  /** Leaves at a known place. */
  exit(at: number, notRun: number, result: number): void {
    this.pushExit(at, notRun, result);
    this.branchToExit();
  }

  /** Leaves for the interpreter, which executes the instruction there. */
  leave(at: number): void { this.exit(at, 0, REGION_SIDE_EXIT); }

  /** Leaves for the start of a block, which may be in another region by now (jit/links.ts). */
  exitThrough(at: number, link: number): void {
    this.pushExit(at, 0, REGION_LOOKUP | (link << EXIT_LINK));
    this.branchToExit();
  }

  /** Leaves at the start of a basic block. */
  exitIf(condition: Expression, at: number): void {
    this.pushExit(at, 0, REGION_LOOKUP);
    this.branchToExitIf(condition);
  }

  /** Leaves to a computed EIP. */
  exitTo(eip: Expression): void {
    const { fn } = this;
    fn.emit(this.shl64(this.extendS(this.sub(eip, this.base)), this.imm64(16n)));
    this.branchToExit();
  }

  /** Notes `distance` in the cell: a count that goes down to 0, and the last CELL_TARGETS values before it does. */
  noteTarget(cell: number, distance: Expression, news: number): void {
    this.countDown(cell, news, (left) => {
      const place = this.add(this.shl(this.and(left, constant(CELL_TARGETS - 1)), constant(2)), constant(cell + 4));
      this.fn.store(OP.store32, place, 0, distance);
    });
  }

  /** Counts the cell down, if it is not 0 already; when it comes to 0, `news` is set. */
  countDown(cell: number, news: number, each: (left: Expression) => void): void {
    const { fn } = this;
    const left = fn.load(OP.load32, constant(cell), 0);
    fn.openIf(left);
    each(left);
    const fewer = fn.bind(this.sub(left, constant(1)));
    fn.store(OP.store32, constant(cell), 0, fewer);
    fn.openIf(this.eqz(fewer));
    fn.store(OP.store32, constant(news), 0, constant(1));
    fn.close();
    fn.close();
  }

  protected pushExit(at: number, notRun: number, result: number): void {
    this.fn.code.byte(OP.const64);
    this.fn.code.signedNumber(at * 0x1_0000 + (notRun << EXIT_NOT_RUN) + result);
  }

  private branchToExit(): void {
    this.fn.code.byte(OP.br);
    this.fn.code.unsigned(this.fn.depth + this.stubOfFlags());
  }

  protected branchToExitIf(condition: Expression): void {
    const { fn } = this;
    fn.emit(condition);
    fn.code.byte(OP.brIf);
    fn.code.unsigned(fn.depth + this.stubOfFlags());
    fn.code.byte(OP.drop);
  }
}
