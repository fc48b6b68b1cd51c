// FNSTENV FLDENV FNSAVE FRSTOR. SDM Vol. 1, sections 8.1.10 "Saving the x87 FPU's State with FSTENV/FNSTENV and FSAVE/FNSAVE"
// (the four formats, Figures 8-9 to 8-12) and 8.1.7 "x87 FPU Tag Word".

import type { Builder, Instance, SharedFunction } from "../builder.ts";
import type { Semantics } from "../row.ts";
import { CR0, EFLAGS_SYSTEM, EFLAGS_VM, FCS, FCW, FDP, FDS, FIP, FOP, FSW, FTOP, FTW, X87_BASE } from "../state-layout.ts";
import { beginControl, initialize, setControlAndStatus } from "./x87-control.ts";
import { denormalFlag, isSpecial } from "./x87-number.ts";
import { begin, EXCEPTIONS, signExponent, significand, stackRegister, SUMMARY } from "./x87-registers.ts";

const CR0_PE = 1;
/** Bytes of the environment by operand size, and of the registers. */
const ENVIRONMENT = { 2: 14, 4: 28 } as const;
const REGISTERS = 80;
const TAG_PAIRS = 0x5555;
const OPCODE = 0x7ff;

/** () -> tag word with the class of each register: 0 valid, 1 zero, 2 special, 3 empty. */
const x87TagWord: SharedFunction = {
  name: "x87TagWord", params: [], results: ["i32"],
  body: (b) => {
    const tags = b.variable(b.get(FTW)), number = b.variable(b.imm(7));
    b.loop(() => {
      const present = number.get();
      const shift = b.let(b.shl(present, b.imm(1)));
      const address = b.let(b.add(b.shl(present, b.imm(4)), b.imm(X87_BASE)));
      const register = { physical: present, address };
      const value = significand(b, register), se = signExponent(b, register);
      const special = b.or(isSpecial(b, value, se), denormalFlag(b, value, se));
      const content = b.select(b.and(b.eqz64(value), b.eqz(special)), b.imm(1), b.select(special, b.imm(2), b.imm(0)));
      const empty = b.and(b.shrU(tags.get(), shift), b.imm(3));
      b.when(b.ne(empty, b.imm(3)), () => {
        const others = b.and(tags.get(), b.xor(b.shl(b.imm(3), shift), b.imm(-1)));
        tags.set(b.or(others, b.shl(content, shift)));
      });
      number.set(b.sub(present, b.imm(1)));
      return present;
    });
    return [tags.get()];
  },
};

/** Loaded tags tell empty from full alone. */
function setTagWord<V>(b: Builder<V>, word: V): void {
  const empty = b.let(b.and(b.and(word, b.shrU(word, b.imm(1))), b.imm(TAG_PAIRS)));
  b.set(FTW, b.or(empty, b.shl(empty, b.imm(1))));
}

export function statusWord<V>(b: Builder<V>): V {
  return b.or(b.get(FSW), b.shl(b.get(FTOP), b.imm(11)));
}

export function setStatusWord<V>(b: Builder<V>, control: V, status: V): void {
  const word = b.let(status);
  b.set(FTOP, b.and(b.shrU(word, b.imm(11)), b.imm(7)));
  setControlAndStatus(b, control, b.and(word, b.imm(0xffff & ~0x3800)));
}

function isProtected<V>(b: Builder<V>): V {
  return b.and(b.and(b.get(CR0), b.imm(CR0_PE)), b.eqz(b.and(b.get(EFLAGS_SYSTEM), b.imm(EFLAGS_VM))));
}

/** Stores the environment at `base`, where writing has been proved. */
function storeEnvironment<V>(b: Builder<V>, i: Instance<V>, base: V): void {
  const size = i.operandSize;
  let at = 0;
  const put = (value: V) => {
    b.store("operand", b.add(base, b.imm(at)), size, value);
    at += size;
  };
  /** A word; the upper half of a doubleword reads as ones. */
  const putWord = (value: V) => put(size === 4 ? b.or(value, b.imm(0xffff_0000)) : value);
  putWord(b.get(FCW));
  putWord(statusWord(b));
  putWord(b.call(x87TagWord)[0]);
  const pointers = at;
  b.when(isProtected(b), () => {
    put(b.get(FIP));
    put(size === 4 ? b.or(b.get(FCS), b.shl(b.get(FOP), b.imm(16))) : b.get(FCS));
    put(b.get(FDP));
    putWord(b.get(FDS));
  }, () => {
    at = pointers;
    // Linear addresses, their upper part above the opcode.
    const code = b.let(b.add(b.shl(b.get(FCS), b.imm(4)), b.get(FIP)));
    const data = b.let(b.add(b.shl(b.get(FDS), b.imm(4)), b.get(FDP)));
    const upper = (linear: V) => b.shl(b.shrU(linear, b.imm(16)), b.imm(12));
    const low = (linear: V) => (size === 4 ? b.or(b.and(linear, b.imm(0xffff)), b.imm(0xffff_0000)) : linear);
    put(low(code));
    put(b.or(upper(code), b.get(FOP)));
    put(low(data));
    put(upper(data));
  });
}

/** Loads the environment at `base`, where reading has been proved. */
function loadEnvironment<V>(b: Builder<V>, i: Instance<V>, base: V): void {
  const size = i.operandSize;
  const [control, status, tags, ip, cs, dp, ds] = Array.from({ length: 7 }, (_, n) => b.load("operand", b.add(base, b.imm(n * size)), size));
  setStatusWord(b, control, status);
  setTagWord(b, tags);
  b.when(isProtected(b), () => {
    b.set(FIP, ip);
    b.set(FCS, b.zeroExtend(cs, 2));
    if (size === 4) b.set(FOP, b.and(b.shrU(cs, b.imm(16)), b.imm(OPCODE)));
    b.set(FDP, dp);
    b.set(FDS, b.zeroExtend(ds, 2));
  }, () => {
    const linear = (low: V, high: V) => b.or(b.zeroExtend(low, 2), b.shl(b.shrU(b.zeroExtend(high, size), b.imm(12)), b.imm(16)));
    b.set(FIP, linear(ip, cs));
    b.set(FDP, linear(dp, ds));
    b.set(FOP, b.and(cs, b.imm(OPCODE)));
    b.set(FCS, b.imm(0));
    b.set(FDS, b.imm(0));
  });
}

/** First and last byte: no range here has a page between them. */
export function probeRead<V>(b: Builder<V>, base: V, bytes: number): void {
  b.load("operand", base, 1);
  b.load("operand", b.add(base, b.imm(bytes - 1)), 1);
}

/** Runs `body` for ST(0) to ST(7) with the address of each in the image, which is as aligned as the operand size asks (Vol. 3, "Alignment Check Exception"): two bytes. */
function eachRegister<V>(b: Builder<V>, base: V, body: (register: { physical: V; address: V }, at: V) => void): void {
  const number = b.variable(b.imm(0));
  b.loop(() => {
    const present = number.get();
    body(stackRegister(b, present), b.let(b.add(base, b.mul(present, b.imm(10)))));
    const next = b.let(b.add(present, b.imm(1)));
    number.set(next);
    return b.ltU(next, b.imm(8));
  });
}

/** Afterwards every exception is masked. */
export const fnstenv: Semantics = (b, i) => {
  beginControl(b);
  const base = b.let(i.op[0].address(b));
  b.probeWrite("operand", base, ENVIRONMENT[i.operandSize]);
  storeEnvironment(b, i, base);
  b.set(FCW, b.or(b.get(FCW), b.imm(EXCEPTIONS)));
  b.set(FSW, b.and(b.get(FSW), b.imm(~SUMMARY)));
};

export const fldenv: Semantics = (b, i) => {
  begin(b);
  const base = b.let(i.op[0].address(b));
  probeRead(b, base, ENVIRONMENT[i.operandSize]);
  loadEnvironment(b, i, base);
};

export const fnsave: Semantics = (b, i) => {
  beginControl(b);
  const base = b.let(i.op[0].address(b));
  b.probeWrite("operand", base, ENVIRONMENT[i.operandSize] + REGISTERS);
  storeEnvironment(b, i, base);
  eachRegister(b, b.let(b.add(base, b.imm(ENVIRONMENT[i.operandSize]))), (register, at) => {
    for (let part = 0; part < 10; part += 2) b.store("operand", b.add(at, b.imm(part)), 2, b.stateLoad(b.add(register.address, b.imm(part)), 2));
  });
  initialize(b);
};

export const frstor: Semantics = (b, i) => {
  begin(b);
  const base = b.let(i.op[0].address(b));
  probeRead(b, base, ENVIRONMENT[i.operandSize] + REGISTERS);
  loadEnvironment(b, i, base);
  eachRegister(b, b.let(b.add(base, b.imm(ENVIRONMENT[i.operandSize]))), (register, at) => {
    for (let part = 0; part < 10; part += 2) b.stateStore(b.add(register.address, b.imm(part)), 2, b.load("operand", b.add(at, b.imm(part)), 2));
  });
};
