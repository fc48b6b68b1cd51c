// One region becomes one WebAssembly function: (entry number) -> REGION_*.

import { BUDGET, CS, EIP, EIP_BASE, MODE, MODE_FLAT, MODE_STACK32, SEG_LIMIT, SHADOW } from "../isa/state-layout.ts";
import type { ImportedFunctions } from "../wasm/backend.ts";
import { type ByteWriter, I32 } from "../wasm/encoder.ts";
import { constant, type Expression, FunctionEmitter, OP } from "../wasm/function-emitter.ts";
import type { FlagState } from "../wasm/pending-flags.ts";
import { sti } from "../isa/semantics/flag-control.ts";
import { movs } from "../isa/semantics/string.ts";
import { DEEPEST_CALL, ENTRY_CHAINED, ENTRY_DEPTH, L_ENTRY, L_RETURN, LINK_BYTES, LINK_JUMP, LINK_OPEN, REGION_DECLINED, REGION_LOOKUP, RETURN_ENTRY_BITS } from "../wasm/region-result.ts";
import { TranslatorBuilder } from "../wasm/translator-builder.ts";
import type { GroupedAccesses, TranslatedCode } from "../wasm/translated-memory.ts";
import type { StackState } from "../wasm/translated-stack.ts";
import { accessGroups } from "./access-groups.ts";
import { arrange, entriesOf, type FlowNode, type LoopNode } from "./control-flow.ts";
import { reusedPages } from "./page-reuse.ts";
import { type BasicBlock, type Edge, type Instruction, isHeldRepetition, type Region } from "./region.ts";
import type { Mark } from "./region-listing.ts";

const PAGE = 4096;

export interface RegionCode extends TranslatedCode {
  /** Address of the instruction TLB; what its entries must be under the mask for a page, relative to the region's first. */
  readonly tlbCode: number;
  readonly tlbMask: number;
  readonly pageEntry: (page: number) => number;
  /** Segmented code is made for one value of EIP_BASE, and needs a CS limit that covers it. */
  readonly fixed: { readonly base: number; readonly limit: number } | null;
  /** Address of the cell (jit/target-cells.ts) that notes where a computed transfer goes; 0: nobody wants to know. */
  readonly cellOf: (at: number, callers: readonly number[], isReturn: boolean) => number;
  /** Address of the cell that counts entries; 0: nobody wants to know. */
  readonly entryCell: number;
  /** Address of the word that says that a cell has come to 0. */
  readonly news: number;
  /** FTOP and FTW that the x87 instructions of the region are made for; null: any. */
  readonly stack: StackState | null;
  /** Address of the cell that counts entries with others. */
  readonly stackCell: number;
  /** Takes down where the code of each instruction begins; null: nobody wants to know. */
  readonly marks: Mark[] | null;
  /** Ways to other regions; null: the host or the code has none. */
  readonly links: RegionLinks | null;
}

/** See links.ts. */
export interface RegionLinks {
  /** Type of a region's function in this module. */
  readonly type: number;
  /** Number of the first link in the module's table, and address of its word. */
  readonly first: number;
  readonly words: number;
  /** Number of the link to the block at `at`; 0: the loop has to find it. `back`: the entry where this region goes on behind it. */
  to(at: number, back: { readonly entry: number; readonly at: number } | null): number;
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
  private readonly imports: ImportedFunctions;
  private readonly fn = new FunctionEmitter([I32]);
  private readonly b: TranslatorBuilder;
  private readonly targets = new Map<number, Target[]>();
  /** Flags that a block with one predecessor takes over. */
  private readonly inherited = new Map<number, FlagState>();
  /** What blocks find on the x87 stack; null: it is not known. */
  private stacks: ReadonlyMap<number, StackState> | null = null;
  private readonly loopEntries = new Set<number>();
  /** Whether somebody may still ask for the flags that are set when the block begins. */
  private needs: readonly boolean[] = [];
  private reused: ReadonlyMap<Instruction, string> = new Map();
  private groups: ReadonlyMap<Instruction, GroupedAccesses> = new Map();
  private readonly entryNumbers: ReadonlySet<number>;
  private isLinked = false;
  private waits = false;
  /** Regions that wait for this one. */
  private readonly depth: Expression;

  constructor(region: Region, code: RegionCode, imports: ImportedFunctions) {
    this.region = region;
    this.code = code;
    this.imports = imports;
    this.b = new TranslatorBuilder(this.fn, imports, code);
    this.depth = this.fn.ownLocal(I32);
    this.entryNumbers = new Set(region.entries.map((block) => block.number));
  }

  translate(): ByteWriter {
    const { region, b, fn } = this;
    if (this.code.stack) this.stacks = this.findStacks(this.code.stack);
    const successors = region.blocks.map((block) => [block.taken, block.next, ...block.targets].flatMap((edge) => (edge?.block ? [edge.block.number] : [])));
    const nodes = arrange(successors, region.entries.map((block) => block.number));
    this.findLoopEntries(nodes);
    this.needs = flagNeeds(region.blocks, this.loopEntries);
    this.reused = reusedPages(region.blocks, nodes);
    const { entries } = region;
    this.emitNodes(nodes, entries.length === 1 ? null : () => this.choose(fn.parameter(0), entries));
    const { marks } = this.code;
    const body = b.finish(() => this.emitEntry(), (link, distance, again) => this.emitChain(link, distance, again), this.waits);
    marks?.splice(0, marks.length, ...marks.map((mark) => ({ ...mark, offset: mark.offset + b.bodyAt })));
    return body;
  }

  /** Before anything else: is this the place that the region was made for, and is there budget for the longest way to a check? */
  private emitEntry(): void {
    const { b, fn, code, region } = this;
    const chained = fn.bind(b.and(fn.parameter(0), constant(ENTRY_CHAINED)));
    if (this.isLinked) fn.assign(this.depth, b.shrU(fn.parameter(0), constant(ENTRY_DEPTH)));
    if (region.entries.length > 1) fn.assign(fn.parameter(0), b.and(fn.parameter(0), constant(ENTRY_CHAINED - 1)));
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
    const refused = b.select(chained, constant(REGION_LOOKUP), constant(REGION_DECLINED));
    fn.return(refused);
    fn.close();
    if (code.stack) this.checkStack(refused);
    if (code.entryCell !== 0) b.countDown(code.entryCell, code.news, () => {});
  }

  /**
   * Behind everything else: on to the region that the link leads to. Behind a call the region waits until EIP is where the call returns
   * to, and goes on there; whatever else comes of it is left to those who wait for this one.
   */
  private emitChain(link: Expression, distance: Expression, again: number): void {
    const { b, fn, depth, code: { links, mode } } = this;
    if (!this.isLinked) return;
    fn.openIf(link);
    const words = fn.bind(b.mul(link, constant(LINK_BYTES))), index = b.add(link, constant(links!.first));
    const entry = fn.load(OP.load32, words, links!.words + L_ENTRY);
    fn.openIf(b.ne(entry, constant(LINK_OPEN)));
    const pageOf = (at: Expression) => b.add(b.base, b.and(at, constant(-PAGE)));
    const depthOf = (levels: number) => b.shl(b.add(depth, constant(levels)), constant(ENTRY_DEPTH));
    b.set(EIP_BASE, pageOf(distance));
    if (this.waits) {
      const back = fn.load(OP.load32, words, links!.words + L_RETURN);
      fn.openIf(b.and(b.ne(back, constant(LINK_JUMP)), b.ltU(depth, constant(DEEPEST_CALL))));
      fn.callIndirect(links!.type, b.or(entry, depthOf(1)), index, false);
      const result = fn.bindStack(I32), behind = fn.bind(b.shrS(back, constant(RETURN_ENTRY_BITS)));
      const elsewhere = b.or(b.xor(b.get(EIP), b.add(b.base, behind)), b.xor(b.get(MODE), constant(mode)));
      fn.openIf(b.or(b.or(result, b.get(SHADOW)), elsewhere));
      fn.return(result);
      fn.close();
      b.set(EIP_BASE, pageOf(behind));
      fn.assign(fn.parameter(0), b.or(b.or(b.and(back, constant((1 << RETURN_ENTRY_BITS) - 1)), constant(ENTRY_CHAINED)), depthOf(0)));
      fn.branch(again);
      fn.close();
    }
    fn.callIndirect(links!.type, b.or(entry, depthOf(0)), index, true);
    fn.close();
    fn.close();
  }

  private checkStack(refused: Expression): void {
    const { b, fn, code, region } = this;
    const expected = region.entries.map((block) => this.stacks!.get(block.number)!);
    let differs = b.differs(expected[0]);
    for (let n = 1; n < expected.length; n++) {
      if (expected[n].top !== expected[0].top || expected[n].tags !== expected[0].tags) differs = b.select(b.eq(fn.parameter(0), constant(n)), b.differs(expected[n]), differs);
    }
    fn.openIf(differs);
    b.countDown(code.stackCell, code.news, () => {});
    fn.return(refused);
    fn.close();
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
    const { fn } = this;
    const label = fn.open(OP.loop);
    loop.entries.forEach((block, index) => this.push(block, { label, chooser, index }));
    this.emitNodes(loop.body, chooser === null ? null : () => this.choose(chooser, loop.entries.map((block) => this.region.blocks[block])));
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
    const { chooser, index, label } = this.targetOf(block);
    if (chooser) this.fn.assign(chooser, constant(index));
    this.fn.branch(label);
  }

  private targetOf(block: BasicBlock): Target {
    const target = this.targets.get(block.number)?.at(-1);
    if (!target) throw new Error("no way to the block");
    return target;
  }

  /** To the block of that number; to the first where it is none of the others'. */
  private choose(number: Expression, blocks: readonly BasicBlock[]): void {
    const { b, fn } = this;
    const targets = blocks.map((block) => this.targetOf(block)), isTable = blocks.length > LINEAR;
    targets.forEach(({ chooser }, n) => {
      if (n === 0 || (isTable && chooser === null)) return;
      fn.openIf(b.eq(number, constant(n)));
      this.branch(blocks[n]);
      fn.close();
    });
    const [{ chooser, index, label }] = targets;
    if (chooser) fn.assign(chooser, constant(index));
    if (isTable) fn.branchTable(number, targets.map((target) => target.label), label);
    else fn.branch(label);
  }

  // --- one basic block

  private emitBlock(block: BasicBlock, following: number): void {
    const { b, fn } = this;
    const isEntry = this.entryNumbers.has(block.number);
    b.beginBlock(block.predecessors === 1 && !isEntry ? this.inherited.get(block.number) ?? null : null, this.stacks?.get(block.number) ?? null);
    const { instructions } = block;
    const run = ranBy(block);
    this.groups = this.code.mode & MODE_FLAT ? accessGroups(block, (this.code.mode & MODE_STACK32) !== 0) : new Map();
    if (run > 0) fn.assign(b.budget, b.sub(b.budget, constant(run)));
    let inShadow = false;
    instructions.forEach((instruction, n) => {
      this.code.marks?.push({ block, instruction: n, offset: fn.code.length });
      if (instruction.kind === "leave") return;
      this.emitInstruction(b, instruction, run - n);
      if (inShadow) b.endShadow();
      inShadow = instruction.row!.semantics === sti;
      if (n < instructions.length - 1) b.end();
    });
    this.emitTerminator(block, following);
    b.end();
  }

  private emitInstruction(b: TranslatorBuilder, instruction: Instruction, notRun: number): void {
    const row = instruction.row!;
    const instance = b.begin(row, instruction.decoded, instruction.at, notRun, instruction.exitsOften, this.reused.get(instruction) ?? null, this.groups.get(instruction) ?? null);
    if (row.sensitivity) b.probe("before", row.index);
    if (isHeldRepetition(row, instruction.decoded, this.code.mode)) b.repeat(row.semantics === movs, instance.width);
    else row.semantics(b, instance);
    if (row.sensitivity) b.probe("after", row.index);
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
      const page = edge.at >> 12, back = this.backFrom(from), link = this.code.links?.to(edge.at, back) ?? 0;
      if (link !== 0) {
        this.isLinked = true;
        if (back) this.waits = true;
        if (!from.pages.includes(page)) this.checkPage(page, edge.at);
      }
      b.exitThrough(edge.at, link);
      return;
    }
    if (!this.passesStack(to)) {
      b.exit(edge.at, 0, REGION_LOOKUP);
      return;
    }
    if (this.loopEntries.has(to.number)) b.exitIf(b.ltS(b.budget, constant(this.region.instructions)), to.at);
    for (const page of to.pages) if (!from.pages.includes(page)) this.checkPage(page, to.at);
    if (to.predecessors === 1 && !this.entryNumbers.has(to.number)) this.inherited.set(to.number, flags);
    else if (this.needs[to.number]) b.settleFlags();
    if (to.number !== following) this.branch(to);
  }

  /** Whether the block finds the x87 stack as it is now. */
  private passesStack(to: BasicBlock): boolean {
    const expected = this.stacks?.get(to.number), { stack } = this.b;
    return !expected || !stack || (expected.top === stack.top && expected.tags === stack.tags);
  }

  /** What each block finds on the x87 stack if the first finds `first`: the way that is followed first decides. */
  private findStacks(first: StackState): Map<number, StackState> {
    const { region, code } = this;
    const stacks = new Map([[region.entries[0].number, first]]);
    const waiting = [region.entries[0]];
    const b = new TranslatorBuilder(new FunctionEmitter([I32]), this.imports, code);
    for (let block = waiting.pop(); block; block = waiting.pop()) {
      b.beginBlock(null, stacks.get(block.number)!);
      const run = ranBy(block);
      block.instructions.slice(0, run).forEach((instruction, n) => {
        this.emitInstruction(b, instruction, run - n);
        b.end();
      });
      const last = block.instructions.at(-1)!, behind = last.at + last.decoded.length;
      // What is called, or left to the interpreter, probably leaves the stack as it was: entries ask.
      const later = region.entries.filter(({ at }) => at === behind);
      for (const next of [block.taken, block.next, ...block.targets].flatMap((edge) => edge?.block ?? []).concat(later)) {
        if (stacks.has(next.number)) continue;
        stacks.set(next.number, b.stack!);
        waiting.push(next);
      }
      for (const entry of waiting.length > 0 ? [] : region.entries) {
        if (stacks.has(entry.number)) continue;
        stacks.set(entry.number, first);
        waiting.push(entry);
      }
    }
    return stacks;
  }

  /** Behind a call that is not followed, where the region may be entered. */
  private backFrom(block: BasicBlock): { readonly entry: number; readonly at: number } | null {
    const last = block.instructions.at(-1)!;
    if (last.kind !== "call" || block.callers.length > 0) return null;
    const at = last.at + last.decoded.length, entry = this.region.entries.findIndex((block) => block.at === at);
    return entry < 0 ? null : { entry, at };
  }

  /** The page must still be where it was when the region was made, as the fetch of the next instruction would see it. */
  private checkPage(page: number, at: number): void {
    const { b, fn, code } = this;
    const slot = b.and(b.shrU(b.add(b.base, constant(page << 12)), constant(10)), constant(0x3f_fffc));
    const entry = fn.load(OP.load32, slot, code.tlbCode);
    b.exitIf(b.ne(b.and(entry, constant(code.tlbMask)), constant(code.pageEntry(page))), at);
  }
}

/** Number of instructions that the block executes itself. */
function ranBy({ instructions }: BasicBlock): number {
  return instructions.at(-1)!.kind === "leave" ? instructions.length - 1 : instructions.length;
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
