// Loads of data segment registers, VERW, SYSENTER and SYSEXIT as generated code does them itself, in flat 32-bit code of protected mode: a
// descriptor of the GDT that the TLB reaches, present, accessed and allowed; transfers between flat segments. All else is the helper's
// (cpu/segmentation.ts, cpu/helpers/fast-system-call.ts).

import type { Builder, SharedFunction } from "../isa/builder.ts";
import {
  ACCESS_UNUSABLE, CPL, CS, EFLAGS_AC, EFLAGS_IF, EFLAGS_RF, EFLAGS_SHARED, EFLAGS_SYSTEM, type Field, FS, GDTR_BASE, GDTR_LIMIT, MODE, MODE_USER, SEG_ACCESS,
  SEG_BASE, SEG_FAST, SEG_FAST_FLAT, SEG_FAST_READ, SEG_FAST_WRITE, SEG_LIMIT, SEG_SELECTOR, SEGMENT_STRIDE, SS, SYSENTER_CS, TLB_READ, TLB_WRITE, WINDOW,
} from "../isa/state-layout.ts";

const PAGE = 4096, DESCRIPTOR_BYTES = 8;
/** High dword of a descriptor. */
const ACCESSED = 0x100, WRITABLE = 0x200, EXPAND_DOWN = 0x400, CODE = 0x800, CODE_OR_DATA = 0x1000, PRESENT = 0x8000, GRANULARITY = 0x80_0000;
/** The bits that SEG_ACCESS keeps, at its place. */
const ACCESS_BITS = 0xf0ff;
/** SEG_ACCESS of the flat segments of SYSENTER; DPL 3. */
const FLAT_CODE = 0xc09b, FLAT_DATA = 0xc093, DPL3 = 0x60;

function field<V>(b: Builder<V>, context: V, { offset }: Field): V {
  return b.stateLoad(b.add(context, b.imm(offset)), 4);
}

function setField<V>(b: Builder<V>, context: V, { offset }: Field, value: V): void {
  b.stateStore(b.add(context, b.imm(offset)), 4, value);
}

interface SegmentWords<V> {
  readonly selector: V;
  readonly base: V;
  readonly limit: V;
  readonly access: V;
  readonly fast: V;
}

function setSegment<V>(b: Builder<V>, register: V, { selector, base, limit, access, fast }: SegmentWords<V>): void {
  const parts: readonly (readonly [number, V])[] = [[SEG_SELECTOR, selector], [SEG_BASE, base], [SEG_LIMIT, limit], [SEG_ACCESS, access], [SEG_FAST, fast]];
  for (const [part, value] of parts) b.stateStore(b.add(register, b.imm(part)), 4, value);
}

/** (context, register, selector, TLB of supervisor reads) -> 1 if the register could be loaded. DS and ES must stay flat: the code was made for that. */
export const loadDataSegment: SharedFunction = {
  name: "loadDataSegment", params: ["i32", "i32", "i32", "i32"], results: ["i32"],
  body: (b, [context, number, selector, tlb]) => {
    const done = b.variable(b.imm(0));
    const register = b.let(b.add(context, b.mul(number, b.imm(SEGMENT_STRIDE))));
    const isFree = b.let(b.geU(number, b.imm(FS)));
    const set = (words: SegmentWords<typeof context>) => {
      setSegment(b, register, words);
      done.set(b.imm(1));
    };
    b.when(b.eqz(b.and(selector, b.imm(0xfffc))), () => {
      b.when(isFree, () => set({ selector, base: b.imm(0), limit: b.imm(0), access: b.imm(ACCESS_UNUSABLE), fast: b.imm(0) }));
    }, () => {
      const inTable = b.leU(b.or(selector, b.imm(7)), b.and(field(b, context, GDTR_LIMIT), b.imm(0xffff)));
      b.when(b.and(b.eqz(b.and(selector, b.imm(4))), inTable), () => {
        const linear = b.let(b.add(field(b, context, GDTR_BASE), b.and(selector, b.imm(0xfff8))));
        const entry = b.let(b.stateLoad(b.add(tlb, b.shl(b.shrU(linear, b.imm(12)), b.imm(2))), 4));
        b.when(b.leU(b.and(b.or(linear, entry), b.imm(PAGE - 1)), b.imm(PAGE - DESCRIPTOR_BYTES)), () => {
          const low = b.let(b.stateLoad(b.add(linear, entry), 4)), high = b.let(b.stateLoad(b.add(b.add(linear, entry), b.imm(4)), 4));
          const isData = b.eq(b.and(high, b.imm(PRESENT | CODE_OR_DATA | CODE | EXPAND_DOWN | ACCESSED)), b.imm(PRESENT | CODE_OR_DATA | ACCESSED));
          const dpl = b.let(b.and(b.shrU(high, b.imm(13)), b.imm(3)));
          const isAllowed = b.and(b.leU(b.and(selector, b.imm(3)), dpl), b.leU(field(b, context, CPL), dpl));
          const base = b.let(b.or(b.or(b.shrU(low, b.imm(16)), b.shl(b.and(high, b.imm(0xff)), b.imm(16))), b.and(high, b.imm(0xff00_0000 | 0))));
          const raw = b.let(b.or(b.and(low, b.imm(0xffff)), b.and(high, b.imm(0xf_0000))));
          const limit = b.let(b.select(b.and(high, b.imm(GRANULARITY)), b.or(b.shl(raw, b.imm(12)), b.imm(PAGE - 1)), raw));
          const isFlat = b.let(b.and(b.eqz(base), b.eq(limit, b.imm(-1))));
          const isWritable = b.let(b.ne(b.and(high, b.imm(WRITABLE)), b.imm(0)));
          b.when(b.and(b.and(isData, isAllowed), b.or(isFree, b.and(isFlat, isWritable))), () => {
            const rights = b.select(isWritable, b.imm(SEG_FAST_READ | SEG_FAST_WRITE), b.imm(SEG_FAST_READ));
            const access = b.and(b.shrU(high, b.imm(8)), b.imm(ACCESS_BITS));
            set({ selector, base, limit, access, fast: b.or(rights, b.select(isFlat, b.imm(SEG_FAST_FLAT), b.imm(0))) });
          });
        });
      });
    });
    return [done.get()];
  },
};

/** Of `mayWrite`: the helper has to look. */
export const NOT_KNOWN = 2;

/** VERW: (context, selector, TLB of supervisor reads) -> whether ZF is set, or NOT_KNOWN. */
export const mayWrite: SharedFunction = {
  name: "mayWrite", params: ["i32", "i32", "i32"], results: ["i32"],
  body: (b, [context, selector, tlb]) => {
    const answer = b.variable(b.imm(NOT_KNOWN));
    const inTable = b.leU(b.or(selector, b.imm(7)), b.and(field(b, context, GDTR_LIMIT), b.imm(0xffff)));
    b.when(b.eqz(b.and(selector, b.imm(0xfffc))), () => answer.set(b.imm(0)), () => {
      b.when(b.and(b.eqz(b.and(selector, b.imm(4))), inTable), () => {
        const linear = b.let(b.add(field(b, context, GDTR_BASE), b.and(selector, b.imm(0xfff8))));
        const entry = b.let(b.stateLoad(b.add(tlb, b.shl(b.shrU(linear, b.imm(12)), b.imm(2))), 4));
        b.when(b.leU(b.and(b.or(linear, entry), b.imm(PAGE - 1)), b.imm(PAGE - DESCRIPTOR_BYTES)), () => {
          const high = b.let(b.stateLoad(b.add(b.add(linear, entry), b.imm(4)), 4));
          const isWritable = b.eq(b.and(high, b.imm(CODE_OR_DATA | CODE | WRITABLE)), b.imm(CODE_OR_DATA | WRITABLE));
          const dpl = b.let(b.and(b.shrU(high, b.imm(13)), b.imm(3)));
          answer.set(b.and(isWritable, b.and(b.leU(b.and(selector, b.imm(3)), dpl), b.leU(field(b, context, CPL), dpl))));
        });
      });
    });
    return [answer.get()];
  },
};

/** CS and SS flat, at a privilege; what depends on it. */
function enterFlat<V>(b: Builder<V>, context: V, cs: V, privilege: 0 | 3, tlbRead: V, tlbWrite: V): void {
  const dpl = privilege === 3 ? DPL3 : 0;
  const flat = { base: b.imm(0), limit: b.imm(-1) };
  const selector = b.let(b.or(cs, b.imm(privilege)));
  setSegment(b, b.let(b.add(context, b.imm(CS * SEGMENT_STRIDE))), { ...flat, selector, access: b.imm(FLAT_CODE | dpl), fast: b.imm(SEG_FAST_READ | SEG_FAST_FLAT) });
  setSegment(b, b.let(b.add(context, b.imm(SS * SEGMENT_STRIDE))), {
    ...flat, selector: b.add(selector, b.imm(8)), access: b.imm(FLAT_DATA | dpl), fast: b.imm(SEG_FAST_READ | SEG_FAST_WRITE | SEG_FAST_FLAT),
  });
  const others = b.and(field(b, context, MODE), b.imm(~MODE_USER));
  setField(b, context, MODE, privilege === 3 ? b.or(others, b.imm(MODE_USER)) : others);
  setField(b, context, CPL, b.imm(privilege));
  setField(b, context, TLB_READ, tlbRead);
  setField(b, context, TLB_WRITE, tlbWrite);
}

/** Alignment checks come and go with CPL 3, and somebody may wait for the transfer. */
function isPlain<V>(b: Builder<V>, cs: V): V {
  return b.and(b.ne(cs, b.imm(0)), b.eqz(b.or(b.and(b.get(EFLAGS_SHARED), b.imm(EFLAGS_AC)), b.get(WINDOW))));
}

/** (context, TLBs of the supervisor) -> 1 if done: all but EIP and ESP. */
export const enterSupervisor: SharedFunction = {
  name: "enterSupervisor", params: ["i32", "i32", "i32"], results: ["i32"],
  body: (b, [context, tlbRead, tlbWrite]) => {
    const cs = b.let(b.and(field(b, context, SYSENTER_CS), b.imm(0xfffc)));
    const plain = b.let(isPlain(b, cs));
    b.when(plain, () => {
      setField(b, context, EFLAGS_SYSTEM, b.and(field(b, context, EFLAGS_SYSTEM), b.imm(~(EFLAGS_IF | EFLAGS_RF))));
      enterFlat(b, context, cs, 0, tlbRead, tlbWrite);
    });
    return [plain];
  },
};

/** (context, TLBs of CPL 3) -> 1 if done: all but EIP and ESP. */
export const leaveSupervisor: SharedFunction = {
  name: "leaveSupervisor", params: ["i32", "i32", "i32"], results: ["i32"],
  body: (b, [context, tlbRead, tlbWrite]) => {
    const cs = b.let(b.and(field(b, context, SYSENTER_CS), b.imm(0xfffc)));
    const plain = b.let(b.and(isPlain(b, cs), b.eqz(field(b, context, CPL))));
    b.when(plain, () => enterFlat(b, context, b.add(cs, b.imm(16)), 3, tlbRead, tlbWrite));
    return [plain];
  },
};
