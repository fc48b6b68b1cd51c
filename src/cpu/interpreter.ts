// The interpreter: WebAssembly generated at start-up from the semantics functions.
//
// One function holds the dispatch loop: `br_table` over the handler number of the decoded record, with the handlers of
// frequent forms inline. All other forms become functions of their own in the module's table, generated when the first
// instruction of the form is decoded. A handler ends by going to the next record, by a branch to a known record, by a
// look-up in the jump cache, or by leaving to the run loop (core.ts).

import type { Decoded } from "../isa/decoded.ts";
import { createDecoded, type Decoder } from "../isa/decoder.ts";
import type { HelperName, SharedFunction } from "../isa/builder.ts";
import {
  FIRST_FREE_HANDLER, H_CODE_BYTES, H_COUNT, H_HEAT, HANDLER_BREAK, HANDLER_CONTINUE, HANDLER_REFETCH, HANDLER_UNDEFINED, HEAT_ENTRY_MASK,
  HEAT_ENTRY_SHIFT, HEAT_FUNCTION_MASK, LINK_NEVER, R_HANDLER, R_LINK,
  R_OFFSET, R_REMAINING, RECORD_BYTES,
} from "../isa/record-layout.ts";
import type { Row, Semantics } from "../isa/row.ts";
import {
  ACTIVITY, BUDGET, CPL, CS, EIP, EIP_BASE, MODE, MODE_CODE32, MODE_FLAT, MODE_PROTECTED, MODE_STACK32, MODE_USER, RECORD, SEG_BASE, SEG_LIMIT, SEGMENT_STRIDE,
  SHADOW, TLB_CODE, TLB_READ, TLB_WRITE,
} from "../isa/state-layout.ts";
import type { ImportedFunctions } from "../wasm/backend.ts";
import { I32, type ModuleWriter } from "../wasm/encoder.ts";
import { constant, expression, type Expression, FunctionEmitter, OP, unary } from "../wasm/function-emitter.ts";
import { type Form, HANDLER_PARAMS, InterpreterBuilder, type WaysOut } from "../wasm/interpreter-builder.ts";
import { ModuleLinker } from "../wasm/module-linker.ts";
import { REGION_DECLINED, REGION_SIDE_EXIT } from "../wasm/region-result.ts";
import { TLB_CODE_USER, TLB_CODE_VALID } from "./tlb.ts";
import { formIdentity, formKey, formOf, isConditionalBranch, KEY_BITS } from "./forms.ts";

/** Why the generated code returned to the run loop. */
export const LEAVE_FAULT = 1; // FAULT holds it; RECORD is the instruction
export const LEAVE_SUSPENDED = 2; // RECORD is to be resumed
export const LEAVE_LOOKUP = 3; // no decoded code known at EIP
export const LEAVE_BUDGET = 4; // the block at EIP is longer than the budget
export const LEAVE_LINK = 5; // as LOOKUP; RECORD wants its link set
export const LEAVE_ATTENTION = 6; // the next instruction is in an interrupt shadow, or the processor halted

/** As LOOKUP, behind a side exit: the instruction at EIP is the interpreter's. */
export const LEAVE_SIDE_EXIT = 8;
/** The block at EIP has been entered often enough to be translated. */
export const LEAVE_HOT = 9;

/** Side exits at EIP have been so many. */
export const LEAVE_EXITS_OFTEN = 10;

/** What an outlined handler returns besides LEAVE_FAULT and LEAVE_SUSPENDED. */
const NEXT = 0;
const LOOKUP = 7;

/**
 * Jump cache: by physical address, so that it outlives what the instruction TLB forgets; an entry is physical address u32, MODE u32,
 * record u32, unused u32. What another entry takes the place of moves to the neighbouring one.
 */
export const JUMP_CACHE_ENTRIES = 32768;
export const JUMP_CACHE_BYTES = JUMP_CACHE_ENTRIES * 16;

export interface InterpreterImports {
  slowLoad(linear: number, width: number): number;
  slowStore(linear: number, width: number, value: number): void;
  slowLoadForWrite(linear: number, width: number): number;
  slowProbe(linear: number, bytes: number): void;
  /** Leaves the value in SLOW_RESULT. */
  slowLoad64(linear: number): void;
  slowStore64(linear: number, low: number, high: number): void;
  /** Leaves the value in SLOW_RESULT. */
  slowLoad128(linear: number): void;
  /** Stores the value in SLOW_RESULT. */
  slowStore128(linear: number): void;
  segmentCheck(segment: number, offset: number, bytesAndWrite: number): void;
  helpers: Readonly<Record<HelperName, (...args: number[]) => number>>;
  /** Around every execution of a sensitive instruction (row index): for the leak oracle. `probeAfter` only if it completed. */
  probeBefore(row: number): void;
  probeAfter(row: number): void;
}

/** Where the interpreter's own areas are in the shared memory. */
export interface InterpreterAreas {
  readonly memory: WebAssembly.Memory;
  readonly memoryPages: number;
  readonly jumpCache: number;
  /** Blocks are counted, and regions entered where they are translated. */
  readonly translate?: boolean;
}

/** Mnemonics whose common 32-bit forms live in the dispatch loop. */
const INLINE: ReadonlySet<string> = new Set([
  "MOV", "ADD", "SUB", "CMP", "TEST", "AND", "OR", "XOR", "INC", "DEC", "PUSH", "POP", "LEA", "CALL", "RET", "JMP", "MOVZX", "MOVSX", "SHL", "SHR",
  "SAR", "NEG", "NOT", "ADC", "SBB", "IMUL", "LEAVE", "CDQ", "XCHG", "NOP", "ROL", "ROR",
  "JO", "JNO", "JB", "JNB", "JZ", "JNZ", "JBE", "JNBE", "JS", "JNS", "JP", "JNP", "JL", "JNL", "JLE", "JNLE",
]);
/** More than there are forms: code that tries every one must not run out of places. */
const TABLE_SIZE = 32 * 1024;
/** Places in the table for translated regions, behind the handlers. */
const REGIONS = 24 * 1024;

export class Interpreter {
  private readonly areas: InterpreterAreas;
  private readonly linker: ModuleLinker;
  private readonly semanticsIds = new Map<Semantics, number>();
  private readonly byKey: Int32Array;
  private readonly byIdentity = new Map<string, number>();
  private readonly waiting: { form: Form; row: Row; handler: number }[] = [];
  private handlers = FIRST_FREE_HANDLER;
  private readonly table: WebAssembly.Table;
  /** (context address, record) -> LEAVE_*: runs from the record, or from EIP where it is 0. */
  readonly run: (context: number, record: number) => number;

  constructor(rows: readonly Row[], decoder: Decoder, areas: InterpreterAreas, imports: InterpreterImports) {
    this.areas = areas;
    const { helpers, ...rest } = imports;
    this.linker = new ModuleLinker(areas.memory, areas.memoryPages, rest, helpers);
    this.byKey = new Int32Array(rows.length << KEY_BITS).fill(-1);
    const inline = this.inlineForms(rows, decoder);
    const unit = this.linker.begin();
    this.emitLoop(unit.module, unit.functions, inline);
    unit.module.exportTable(areas.translate ? TABLE_SIZE + REGIONS : TABLE_SIZE);
    const instance = unit.instantiate();
    this.run = instance.exports["run"] as (context: number, record: number) => number;
    this.table = instance.exports["table"] as WebAssembly.Table;
  }

  /** Handler for the instruction; its code exists after `flush`. */
  handlerFor(row: Row, d: Decoded, mode: number): number {
    if (d.lockInvalid) return HANDLER_UNDEFINED;
    const key = formKey(row, d, mode);
    const known = this.byKey[key]!;
    if (known >= 0) return known;
    const form = formOf(row, d, mode);
    return this.assign(key, form, row, d, (handler) => this.waiting.push({ form, row, handler }));
  }

  /** Generates what `handlerFor` handed out since the last call. Call before running a record that uses it. */
  flush(): void {
    if (this.waiting.length === 0) return;
    const { module, functions, instantiate } = this.linker.begin();
    const type = module.type(HANDLER_PARAMS, [I32]);
    const bodies = this.waiting.map(({ form, row }) => this.emitOutlined(functions, form, row));
    this.waiting.forEach(({ handler }, n) => module.addFunction(type, bodies[n]!, `h${handler}`));
    const instance = instantiate();
    for (const { handler } of this.waiting) this.table.set(handler, instance.exports[`h${handler}`]);
    this.waiting.length = 0;
  }

  /** Places of the table that regions may have: first and behind the last. */
  readonly regionSlots = { begin: TABLE_SIZE, end: TABLE_SIZE + REGIONS } as const;

  setRegion(slot: number, code: WebAssembly.ExportValue): void {
    this.table.set(slot, code);
  }

  /** The code of a shared function, generated now if no handler needed it yet. */
  sharedCode(definition: SharedFunction): WebAssembly.ExportValue {
    return this.linker.sharedCode(definition);
  }

  helper(name: HelperName): WebAssembly.ImportValue {
    return this.linker.helper(name);
  }

  /** Whether forms wait to be generated. */
  get isWaiting(): boolean {
    return this.waiting.length > 0;
  }

  private assign(key: number, form: Form, row: Row, d: Decoded, created: (handler: number) => void): number {
    const identity = formIdentity(form, row, d, this.semanticsId(row.semantics));
    let handler = this.byIdentity.get(identity);
    if (handler === undefined) {
      if (this.handlers === TABLE_SIZE) throw new Error("interpreter: handler table full");
      handler = this.handlers++;
      this.byIdentity.set(identity, handler);
      created(handler);
    }
    this.byKey[key] = handler;
    return handler;
  }

  private semanticsId(semantics: Semantics): number {
    let id = this.semanticsIds.get(semantics);
    if (id === undefined) {
      id = this.semanticsIds.size;
      this.semanticsIds.set(semantics, id);
    }
    return id;
  }

  /** Forms of flat 32-bit code that are worth a place in the loop, found by decoding sample encodings of their rows. */
  private inlineForms(rows: readonly Row[], decoder: Decoder): { form: Form; row: Row; handler: number }[] {
    const mode = MODE_CODE32 | MODE_STACK32 | MODE_FLAT;
    const found: { form: Form; row: Row; handler: number }[] = [];
    const bytes = new Uint8Array(16);
    const d = createDecoded();
    for (const row of rows) {
      if (!INLINE.has(row.mnemonic) || row.operands.some((o) => o === "Sw" || o === "Cd" || o === "Dd" || o === "Td" || o === "Ap" || o === "Mp" || o.length === 2 && "ECSDFG".includes(o[0]!) && o[1] === "S")) continue;
      const opcode = opcodeBytes(row.opcode);
      if (!opcode) continue;
      for (const modrm of [0xc0, 0x00]) {
        bytes.fill(0);
        bytes.set(opcode.bytes);
        bytes[opcode.bytes.length] = modrm | (opcode.group << 3);
        decoder.decodeBytes(bytes, 0, 16, true, d);
        if (d.row !== row || d.lockInvalid) continue;
        const form = formOf(row, d, mode);
        this.assign(formKey(row, d, mode), form, row, d, (handler) => found.push({ form, row, handler }));
      }
    }
    return found;
  }

  private emitOutlined(functions: ImportedFunctions, form: Form, row: Row) {
    const fn = new FunctionEmitter(HANDLER_PARAMS);
    const record = fn.parameter(0);
    const leave = (code: number) => fn.return(constant(code));
    const out: WaysOut = {
      fault: () => leave(LEAVE_FAULT),
      suspended: () => leave(LEAVE_SUSPENDED),
      lookup: () => leave(LOOKUP),
      transition: () => leave(LOOKUP),
      resolveLink: () => leave(LOOKUP),
    };
    const b = new InterpreterBuilder(fn, functions, record, fn.parameter(1), fn.parameter(2), fn.parameter(3), out);
    emitInstruction(b, form, row, out, () => leave(NEXT));
    fn.emit(constant(NEXT));
    return fn.finish();
  }

  private emitLoop(module: ModuleWriter, functions: ImportedFunctions, inline: readonly { form: Form; row: Row; handler: number }[]): void {
    const { jumpCache } = this.areas;
    const outlinedType = module.type(HANDLER_PARAMS, [I32]);
    const fn = new FunctionEmitter([I32, I32]);
    const context = fn.parameter(0);
    const record = fn.parameter(1);
    const tlbRead = fn.newLocal(I32);
    const tlbWrite = fn.newLocal(I32);
    const target = fn.newLocal(I32);
    const refund = fn.newLocal(I32);
    const code = fn.newLocal(I32);
    const isPlain = fn.newLocal(I32);
    const shadow = fn.newLocal(I32);
    fn.keepLocals();
    const reloadTables = () => {
      fn.assign(tlbRead, fn.load(OP.load32, context, TLB_READ.offset));
      fn.assign(tlbWrite, fn.load(OP.load32, context, TLB_WRITE.offset));
    };
    reloadTables();
    const dispatch = fn.open(OP.loop);
    const suspended = fn.open(OP.block);
    const fault = fn.open(OP.block);
    const lookup = fn.open(OP.block);
    const transition = fn.open(OP.block);
    fn.branchIf(unary(OP.eqz32, I32, record), lookup);

    const handlerNumbers = [HANDLER_REFETCH, HANDLER_CONTINUE, HANDLER_UNDEFINED, HANDLER_BREAK, ...inline.map((f) => f.handler)];
    const outlined = fn.open(OP.block);
    const labels = new Map<number, number>();
    for (const number of [...handlerNumbers].reverse()) labels.set(number, fn.open(OP.block));
    if (handlerNumbers.some((number, i) => number !== i)) throw new Error("inline handlers are numbered in order");
    fn.branchTable(fn.load(OP.load16u, record, R_HANDLER), handlerNumbers.map((number) => labels.get(number)!), outlined);

    const next = () => {
      fn.assign(record, add(record, constant(RECORD_BYTES)));
      fn.branch(dispatch);
    };
    const out: WaysOut = {
      fault: () => fn.branch(fault),
      suspended: () => fn.branch(suspended),
      lookup: () => fn.branch(lookup),
      transition: (to, back) => {
        fn.assign(target, to);
        fn.assign(refund, back);
        fn.branch(transition);
      },
      resolveLink: () => {
        fn.store(OP.store32, constant(RECORD.offset), 0, record);
        fn.return(constant(LEAVE_LINK));
      },
    };
    const b = new InterpreterBuilder(fn, functions, record, context, tlbRead, tlbWrite, out);
    const eipOfRecord = () => fn.bind(add(b.get(EIP_BASE), b.field16(R_OFFSET)));
    const addBudget = (amount: Expression) => b.set(BUDGET, add(b.get(BUDGET), amount));

    const leaveBefore = () => {
      fn.close();
      b.set(EIP, eipOfRecord());
      addBudget(fn.load(OP.load8u, record, R_REMAINING));
      fn.return(constant(LEAVE_LOOKUP));
      fn.endScope();
    };
    const regionType = this.areas.translate ? module.type([I32], [I32]) : 0;
    /** Enters the region at `target`, or counts the entry of the block. Falls through where the block is to be interpreted. */
    const enterRegion = (heat: Expression, again: () => void, hot: () => void) => {
      fn.openIf(b.ltS(heat, constant(0)));
      fn.emit(b.and(b.shrU(heat, constant(HEAT_ENTRY_SHIFT)), constant(HEAT_ENTRY_MASK)));
      fn.emit(b.and(heat, constant(HEAT_FUNCTION_MASK)));
      fn.code.byte(OP.callIndirect);
      fn.code.unsigned(regionType);
      fn.code.byte(0);
      fn.code.byte(OP.localSet);
      fn.code.unsigned(code.value as number);
      fn.openIf(b.ne(code, constant(REGION_DECLINED)));
      fn.assign(isPlain, b.eq(code, constant(REGION_SIDE_EXIT)));
      again();
      fn.close();
      fn.otherwise();
      const left = fn.bind(b.sub(heat, constant(1)));
      fn.store(OP.store32, add(target, constant(H_HEAT)), 0, left);
      fn.openIf(b.eqz(left));
      hot();
      fn.return(constant(LEAVE_HOT));
      fn.close();
      fn.close();
    };
    // HANDLER_REFETCH: the code under this record has changed.
    leaveBefore();
    // HANDLER_CONTINUE: the block ended for its length, or its page did.
    fn.close();
    {
      const link = fn.load(OP.load32, record, R_LINK);
      const back = fn.load(OP.load8u, record, R_REMAINING);
      fn.openIf(b.gtU(link, constant(LINK_NEVER)));
      out.transition(link, back);
      fn.close();
      b.set(EIP, eipOfRecord());
      addBudget(back);
      fn.openIf(link);
      out.lookup();
      fn.close();
      out.resolveLink();
    }
    fn.endScope();
    // HANDLER_UNDEFINED
    fn.close();
    b.raise(6);
    fn.endScope();
    // HANDLER_BREAK
    leaveBefore();
    for (const { form, row } of inline) {
      fn.close();
      emitInstruction(b, form, row, out, next);
      fn.endScope();
    }
    // All other handlers.
    fn.close();
    for (const argument of [record, context, tlbRead, tlbWrite]) fn.emit(argument);
    fn.emit(fn.load(OP.load16u, record, R_HANDLER));
    fn.code.byte(OP.callIndirect);
    fn.code.unsigned(outlinedType);
    fn.code.byte(0);
    fn.code.byte(OP.localSet);
    fn.code.unsigned(code.value as number);
    fn.openIf(b.eqz(code));
    next();
    fn.close();
    fn.branchIf(b.eq(code, constant(LOOKUP)), lookup);
    fn.branchIf(b.eq(code, constant(LEAVE_FAULT)), fault);
    fn.branch(suspended);
    fn.endScope();

    fn.close(); // transition: `target` is a record of this page
    if (this.areas.translate) {
      const heat = fn.load(OP.load32, add(target, constant(H_HEAT)), 0);
      fn.openIf(heat);
      addBudget(refund);
      fn.assign(refund, constant(0));
      enterRegion(heat, () => fn.branch(lookup), () => b.set(EIP, add(b.get(EIP_BASE), fn.load(OP.load16u, target, R_OFFSET))));
      fn.close();
    }
    {
      const budget = fn.bind(b.sub(b.add(b.get(BUDGET), refund), fn.load(OP.load16u, add(target, constant(H_COUNT)), 0)));
      fn.openIf(b.ltS(budget, constant(0)));
      b.set(EIP, add(b.get(EIP_BASE), fn.load(OP.load16u, target, R_OFFSET)));
      addBudget(refund);
      fn.return(constant(LEAVE_BUDGET));
      fn.close();
      b.set(BUDGET, budget);
      fn.assign(record, target);
      fn.branch(dispatch);
    }
    fn.endScope();

    fn.close(); // lookup: EIP is set
    {
      // The shadow of STI or MOV SS covers the first instruction of a block that is interpreted.
      fn.assign(shadow, fn.load(OP.load32, context, SHADOW.offset));
      const over = b.and(b.ne(shadow, constant(0)), b.leS(b.get(BUDGET), constant(0)));
      fn.openIf(b.or(over, fn.load(OP.load32, context, ACTIVITY.offset)));
      fn.return(constant(LEAVE_ATTENTION));
      fn.close();
      reloadTables();
      const eip = b.get(EIP);
      const linear = fn.bind(b.add(eip, fn.load(OP.load32, context, CS * SEGMENT_STRIDE + SEG_BASE)));
      const mode = fn.load(OP.load32, context, MODE.offset);
      const page = fn.load(OP.load32, b.add(fn.load(OP.load32, context, TLB_CODE.offset), b.shl(b.shrU(linear, constant(12)), constant(2))), 0);
      const physical = fn.bind(b.or(b.and(page, constant(~4095)), b.and(linear, constant(4095))));
      const slot = b.and(b.xor(physical, b.shrU(physical, constant(13))), constant(JUMP_CACHE_ENTRIES - 1));
      const entry = fn.variable(b.add(b.shl(slot, constant(4)), constant(jumpCache)));
      fn.openIf(b.ne(fn.load(OP.load32, entry, 0), physical));
      fn.assign(entry, b.xor(entry, constant(16)));
      fn.close();
      // At CPL 3 the page must be one of the user's.
      const needed = fn.bind(b.or(constant(TLB_CODE_VALID), b.select(b.and(mode, constant(MODE_USER)), constant(TLB_CODE_USER), constant(0))));
      const hidden = b.ne(b.and(page, needed), needed);
      fn.openIf(b.or(hidden, b.or(b.ne(fn.load(OP.load32, entry, 0), physical), b.ne(fn.load(OP.load32, entry, 4), mode))));
      fn.return(b.select(isPlain, constant(LEAVE_SIDE_EXIT), constant(LEAVE_LOOKUP)));
      fn.close();
      fn.assign(target, fn.load(OP.load32, entry, 8));
      const last = b.sub(b.add(eip, fn.load(OP.load16u, add(target, constant(H_CODE_BYTES)), 0)), constant(1));
      const limit = fn.load(OP.load32, context, CS * SEGMENT_STRIDE + SEG_LIMIT);
      fn.openIf(b.or(b.gtU(fn.bind(last), limit), b.gtU(eip, limit)));
      fn.return(constant(LEAVE_LOOKUP));
      fn.close();
      b.set(EIP_BASE, b.sub(eip, b.and(linear, constant(4095))));
      if (this.areas.translate) {
        const heat = fn.load(OP.load32, add(target, constant(H_HEAT)), 0);
        fn.openIf(b.or(isPlain, shadow));
        fn.openIf(b.and(isPlain, b.gtS(heat, constant(0))));
        fn.assign(isPlain, constant(0));
        const left = fn.bind(b.sub(heat, constant(1)));
        fn.store(OP.store32, add(target, constant(H_HEAT)), 0, left);
        fn.openIf(b.eqz(left));
        fn.return(constant(LEAVE_EXITS_OFTEN));
        fn.close();
        fn.close();
        fn.assign(isPlain, constant(0));
        fn.otherwise();
        fn.openIf(heat);
        enterRegion(heat, () => {
          fn.assign(record, constant(0));
          fn.branch(dispatch);
        }, () => {});
        fn.close();
        fn.close();
      }
      const budget = fn.bind(b.sub(b.get(BUDGET), fn.load(OP.load16u, add(target, constant(H_COUNT)), 0)));
      fn.openIf(b.ltS(budget, constant(0)));
      fn.return(constant(LEAVE_BUDGET));
      fn.close();
      b.set(BUDGET, budget);
      fn.openIf(shadow);
      b.set(SHADOW, constant(0));
      fn.close();
      fn.assign(record, target);
      fn.branch(dispatch);
    }
    fn.endScope();

    fn.close(); // fault
    b.set(RECORD, record);
    fn.return(constant(LEAVE_FAULT));
    fn.close(); // suspended
    b.set(RECORD, record);
    fn.return(constant(LEAVE_SUSPENDED));
    fn.close(); // dispatch
    fn.code.byte(0x00); // unreachable
    module.addFunction(module.type([I32, I32], [I32]), fn.finish(), "run");
  }
}

function add(a: Expression, b: Expression): Expression {
  return expression(OP.add32, I32, 0, a, b);
}

/** SDM order of checks: mode and privilege before operands. */
function emitInstruction(b: InterpreterBuilder, form: Form, row: Row, out: WaysOut, next: () => void): void {
  const instance = b.begin(form);
  const ends = row.ends === true && !isConditionalBranch(row);
  if (row.protectedOnly) b.when(b.eqz(b.and(b.get(MODE), constant(MODE_PROTECTED))), () => b.raise(6));
  if (row.privileged) b.when(b.get(CPL), () => b.raise(13, constant(0)));
  if (row.sensitivity) b.probe("before", row.index);
  if (ends) b.set(EIP, b.nextEip());
  row.semantics(b, instance);
  if (row.sensitivity) b.probe("after", row.index);
  if (b.branched) return;
  if (ends || b.jumped) out.lookup();
  else next();
}

/** Opcode bytes and ModRM.reg of a row's opcode column, or null for forms that need a particular second byte. */
function opcodeBytes(opcode: string): { bytes: number[]; group: number } | null {
  const match = /^([0-9A-F]{2}|0F[0-9A-F]{2})(?: \/([0-7]))?(?: (?:mem|reg))?$/.exec(opcode);
  if (!match) return null;
  const hex = match[1]!;
  const bytes: number[] = [];
  for (let i = 0; i < hex.length; i += 2) bytes.push(Number.parseInt(hex.slice(i, i + 2), 16));
  return { bytes, group: match[2] ? Number(match[2]) : 0 };
}
