// One region becomes one WebAssembly function: (entry number) -> REGION_*.

import { BUDGET, CS, EIP_BASE, SEG_LIMIT } from "../isa/state-layout.ts";
import type { ImportedFunctions } from "../wasm/backend.ts";
import { type ByteWriter, I32 } from "../wasm/encoder.ts";
import { constant, type Expression, FunctionEmitter, OP } from "../wasm/function-emitter.ts";
import type { FlagState } from "../wasm/pending-flags.ts";
import { sti } from "../isa/semantics/flag-control.ts";
import { movs } from "../isa/semantics/string.ts";
import { REGION_DECLINED, REGION_LOOKUP } from "../wasm/region-result.ts";
import { TranslatorBuilder } from "../wasm/translator-builder.ts";
import type { TranslatedCode } from "../wasm/translated-memory.ts";
import { arrange, entriesOf, type FlowNode, type LoopNode } from "./control-flow.ts";
import { type BasicBlock, type Edge, isHeldRepetition, type Region } from "./region.ts";

export interface RegionCode extends TranslatedCode {
  /** Address of the instruction TLB; what its entries must be under the mask for each page of the region, relative to the first. */
  readonly tlbCode: number;
  readonly tlbMask: number;
  readonly pageEntries: ReadonlyMap<number, number>;
  /** Segmented code is made for one value of EIP_BASE, and needs a CS limit that covers it. */
  readonly fixed: { readonly base: number; readonly limit: number } | null;
  /** Address of the cell (jit/target-cells.ts) that notes where a computed transfer goes; 0: nobody wants to know. */
  readonly cellOf: (at: number, callers: readonly number[], isReturn: boolean) => number;
  /** Address of the cell that counts entries; 0: nobody wants to know. */
  readonly entryCell: number;
  /** Address of the word that says that a cell has come to 0. */
  readonly news: number;
}

/** So many places are compared one after the other; of more, the half that it can be. */
const LINEAR = 3;
/** These may leave, whatever has been seen. */
const COMPUTED: ReadonlySet<string> = new Set(["return", "indirect", "indirectCall"]);

/** Where a branch to a block goes. */
interface Target {
  readonly label: number;
  /** A loop with a choice among its entries: which one. */
  readonly chooser: Expression | null;
  readonly index: number;
}

export function translate(region: Region, code: RegionCode, imports: ImportedFunctions): ByteWriter {
  return new Translator(region, code, imports).translate();
}

class Translator {
  private readonly region: Region;
  private readonly code: RegionCode;
  private readonly fn = new FunctionEmitter([I32]);
  private readonly b: TranslatorBuilder;
  private readonly targets = new Map<number, Target[]>();
  /** Flags that a block with one predecessor takes over. */
  private readonly inherited = new Map<number, FlagState>();
  private readonly loopEntries = new Set<number>();
  /** Whether somebody may still ask for the flags that are set when the block begins. */
  private needs: readonly boolean[] = [];
  private readonly entryNumbers: ReadonlySet<number>;

  constructor(region: Region, code: RegionCode, imports: ImportedFunctions) {
    this.region = region;
    this.code = code;
    this.b = new TranslatorBuilder(this.fn, imports, code);
    this.entryNumbers = new Set(region.entries.map((block) => block.number));
  }

  translate(): ByteWriter {
    const { region, b, fn } = this;
    const successors = region.blocks.map((block) => [block.taken, block.next, ...block.targets].flatMap((edge) => (edge?.block ? [edge.block.number] : [])));
    const nodes = arrange(successors, region.entries.map((block) => block.number));
    this.findLoopEntries(nodes);
    this.needs = flagNeeds(region.blocks, this.loopEntries);
    const { entries } = region;
    this.emitNodes(nodes, entries.length === 1 ? null : () => {
      for (let n = entries.length - 1; n > 0; n--) {
        fn.openIf(b.eq(fn.parameter(0), constant(n)));
        this.branch(entries[n]);
        fn.close();
      }
      this.branch(entries[0]);
    });
    return b.finish(() => this.emitEntry());
  }

  /** Before anything else: is this the place that the region was made for, and is there budget for the longest way to a check? */
  private emitEntry(): void {
    const { b, fn, code, region } = this;
    fn.assign(b.budget, b.get(BUDGET));
    fn.assign(b.base, b.get(EIP_BASE));
    region.entries.forEach((block, n) => {
      const [page] = block.pages;
      if (page === 0) return;
      fn.openIf(b.eq(fn.parameter(0), constant(n)));
      fn.assign(b.base, b.sub(b.base, constant(page << 12)));
      fn.close();
    });
    let declined = b.ltS(b.budget, constant(region.instructions));
    if (code.fixed) {
      declined = b.or(declined, b.ne(b.base, constant(code.fixed.base)));
      declined = b.or(declined, b.ltU(b.segment(CS, SEG_LIMIT), constant(code.fixed.limit)));
    }
    fn.openIf(declined);
    fn.return(constant(REGION_DECLINED));
    fn.close();
    if (code.entryCell !== 0) b.countDown(code.entryCell, code.news, () => {});
  }

  // --- control flow

  private findLoopEntries(nodes: readonly FlowNode[]): void {
    for (const node of nodes) {
      if (typeof node === "number") continue;
      for (const block of node.entries) this.loopEntries.add(block);
      this.findLoopEntries(node.body);
    }
  }

  private emitNodes(nodes: readonly FlowNode[], dispatch: (() => void) | null): void {
    const { fn } = this;
    const choosers = nodes.map((node) => (typeof node !== "number" && node.entries.length > 1 ? this.chooser() : null));
    const labels: number[] = [];
    for (let i = nodes.length - 1; i >= (dispatch ? 0 : 1); i--) {
      labels[i] = fn.open(OP.block);
      entriesOf(nodes[i]).forEach((block, index) => this.push(block, { label: labels[i], chooser: choosers[i], index }));
    }
    dispatch?.();
    nodes.forEach((node, i) => {
      if (labels[i] !== undefined) {
        fn.close();
        for (const block of entriesOf(node)) this.pop(block);
      }
      if (typeof node !== "number") {
        this.emitLoop(node, choosers[i]);
        return;
      }
      const following = nodes[i + 1];
      const next = typeof following === "number" ? following : following?.entries.length === 1 ? following.entries[0] : -1;
      this.emitBlock(this.region.blocks[node], next);
    });
  }

  private emitLoop(loop: LoopNode, chooser: Expression | null): void {
    const { fn, b } = this;
    const label = fn.open(OP.loop);
    loop.entries.forEach((block, index) => this.push(block, { label, chooser, index }));
    this.emitNodes(loop.body, chooser === null ? null : () => {
      loop.entries.forEach((block, index) => {
        if (index === 0) return;
        fn.openIf(b.eq(chooser, constant(index)));
        this.branch(this.region.blocks[block]);
        fn.close();
      });
      this.branch(this.region.blocks[loop.entries[0]]);
    });
    for (const block of loop.entries) this.pop(block);
    fn.close();
  }

  /** A local for the whole function. */
  private chooser(): Expression {
    const local = this.fn.newLocal(I32);
    this.fn.keep([local.value as number]);
    return local;
  }

  private push(block: number, target: Target): void {
    const stack = this.targets.get(block);
    if (stack) stack.push(target);
    else this.targets.set(block, [target]);
  }

  private pop(block: number): void {
    this.targets.get(block)!.pop();
  }

  private branch(block: BasicBlock): void {
    const target = this.targets.get(block.number)?.at(-1);
    if (!target) throw new Error("no way to the block");
    if (target.chooser) this.fn.assign(target.chooser, constant(target.index));
    this.fn.branch(target.label);
  }

  // --- one basic block

  private emitBlock(block: BasicBlock, following: number): void {
    const { b, fn } = this;
    const isEntry = this.entryNumbers.has(block.number);
    b.beginBlock(block.predecessors === 1 && !isEntry ? this.inherited.get(block.number) ?? null : null);
    const { instructions } = block;
    const last = instructions[instructions.length - 1];
    const run = last.kind === "leave" ? instructions.length - 1 : instructions.length;
    if (run > 0) fn.assign(b.budget, b.sub(b.budget, constant(run)));
    let inShadow = false;
    instructions.forEach((instruction, n) => {
      if (instruction.kind === "leave") return;
      const row = instruction.row!;
      const instance = b.begin(row, instruction.decoded, instruction.at, run - n, instruction.exitsOften);
      if (row.sensitivity) b.probe("before", row.index);
      if (isHeldRepetition(row, instruction.decoded, this.code.mode)) b.repeat(row.semantics === movs, instance.width);
      else row.semantics(b, instance);
      if (row.sensitivity) b.probe("after", row.index);
      if (inShadow) b.endShadow();
      inShadow = row.semantics === sti;
      if (instruction !== last) b.end();
    });
    this.emitTerminator(block, following);
    b.end();
  }

  private emitTerminator(block: BasicBlock, following: number): void {
    const { b, fn } = this;
    const last = block.instructions[block.instructions.length - 1];
    const { branch, target } = b;
    const flags = b.handOver();
    switch (last.kind) {
      case "leave":
        b.leave(last.at);
        return;
      case "plain":
        // The interpreter minds the shadow.
        if (last.row!.semantics === sti) b.exit(block.next!.at, 0, REGION_LOOKUP);
        else this.emitEdge(block, block.next!, flags, following);
        return;
      case "jump": case "call":
        this.emitEdge(block, block.taken!, flags, following);
        return;
      case "conditional": {
        const condition = branch!.condition!;
        const taken = block.taken!, next = block.next!;
        if (taken.block && taken.block.number === following) {
          fn.openIf(b.eqz(condition));
          this.emitEdge(block, next, flags, -1);
          fn.close();
          this.emitEdge(block, taken, flags, following);
        } else {
          fn.openIf(condition);
          this.emitEdge(block, taken, flags, -1);
          fn.close();
          this.emitEdge(block, next, flags, following);
        }
        return;
      }
      case "return":
        if (block.taken?.block) {
          fn.openIf(b.eq(target!, b.eipAt(block.taken.at)));
          this.emitEdge(block, block.taken, flags, -1);
          fn.close();
          b.resume(flags);
        }
        this.emitComputed(block, target!, flags);
        return;
      case "indirect": case "indirectCall":
        this.emitComputed(block, target!, flags);
        return;
      case "transfer":
        b.exitTo(target!);
        return;
    }
  }

  /** To one of the places where control has been seen to go, or out; then the place is noted. */
  private emitComputed(block: BasicBlock, target: Expression, flags: FlagState): void {
    const { b, fn } = this;
    const distance = b.let(b.sub(target, b.base));
    const choose = (targets: readonly Edge[]) => {
      if (targets.length > LINEAR) {
        const middle = targets.length >> 1;
        fn.openIf(b.ltS(distance, constant(targets[middle].at)));
        choose(targets.slice(0, middle));
        fn.otherwise();
        choose(targets.slice(middle));
        fn.close();
        return;
      }
      for (const edge of targets) {
        fn.openIf(b.eq(distance, constant(edge.at)));
        this.emitEdge(block, edge, flags, -1);
        fn.close();
        b.resume(flags);
      }
    };
    choose(block.targets.length > LINEAR ? [...block.targets].sort((x, y) => x.at - y.at) : block.targets);
    const last = block.instructions.at(-1)!;
    const cell = this.code.cellOf(last.at, block.callers, last.kind === "return");
    if (cell !== 0) b.noteTarget(cell, distance, this.code.news);
    b.exitTo(target);
  }

  private emitEdge(from: BasicBlock, edge: Edge, flags: FlagState, following: number): void {
    const { b } = this;
    b.resume(flags);
    const to = edge.block;
    if (to === null) {
      b.exit(edge.at, 0, REGION_LOOKUP);
      return;
    }
    if (this.loopEntries.has(to.number)) b.exitIf(b.ltS(b.budget, constant(this.region.instructions)), to.at);
    for (const page of to.pages) if (!from.pages.includes(page)) this.checkPage(page, to.at);
    if (to.predecessors === 1 && !this.entryNumbers.has(to.number)) this.inherited.set(to.number, flags);
    else if (this.needs[to.number]) b.settleFlags();
    if (to.number !== following) this.branch(to);
  }

  /** The page must still be where it was when the region was made, as the fetch of the next instruction would see it. */
  private checkPage(page: number, at: number): void {
    const { b, fn, code } = this;
    const slot = b.and(b.shrU(b.add(b.base, constant(page << 12)), constant(10)), constant(0x3f_fffc));
    const entry = fn.load(OP.load32, slot, code.tlbCode);
    b.exitIf(b.ne(b.and(entry, constant(code.tlbMask)), constant(code.pageEntries.get(page)!)), at);
  }
}

/** By block: whether the flags that it finds are asked for, or may be left with, before others replace them. */
function flagNeeds(blocks: readonly BasicBlock[], loopEntries: ReadonlySet<number>): boolean[] {
  const own = blocks.map(({ instructions }) => {
    for (const { kind, flags } of instructions) {
      if (kind === "leave" || flags === "needed") return true;
      if (flags === "replaced") return false;
    }
    return null;
  });
  const needs = own.map((need) => need === true);
  const behind = ({ taken, next, pages, instructions }: BasicBlock): boolean => {
    if (COMPUTED.has(instructions.at(-1)!.kind)) return true;
    const edges = [taken, next].filter((edge) => edge !== null);
    // The questions for budget and page on the way may leave, too.
    const leaves = (to: BasicBlock) => loopEntries.has(to.number) || to.pages.some((page) => !pages.includes(page));
    return edges.length === 0 || edges.some(({ block }) => block === null || needs[block.number] || leaves(block));
  };
  for (let changed = true; changed;) {
    changed = false;
    for (let n = blocks.length - 1; n >= 0; n--) {
      if (own[n] !== null || needs[n] || !behind(blocks[n])) continue;
      needs[n] = true;
      changed = true;
    }
  }
  return needs;
}
