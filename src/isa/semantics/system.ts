// System instructions. SDM Vol. 1, "System Instructions"; Vol. 2, "Operation" of each. Privilege, protected mode and CPUID
// features are columns of the row, checked before; UMIP, TSD and PCE depend on control registers, checked in the helpers.

import type { Builder, HelperName, Instance } from "../builder.ts";
import type { Semantics } from "../row.ts";
import {
  CPL, EAX, ECX, EFLAGS_ZF, type Field, GDTR_BASE, GDTR_LIMIT, IDTR_BASE, IDTR_LIMIT, SEG_BASE,
} from "../state-layout.ts";
import { behind } from "./address.ts";

const INVALID_OPCODE = 6, GENERAL_PROTECTION = 13;
/** What `monitorWait` does. */
const ARM = 0, WAIT = 1;

export const undefinedOpcode: Semantics = (b) => b.raise(INVALID_OPCODE);

/** An instruction whose whole meaning is one helper without arguments. */
function whole(name: HelperName): Semantics {
  return (b) => {
    b.helper(name);
  };
}

export const hlt = whole("halt");

/** MONITOR and MWAIT are no instructions outside privilege level 0, and have no extensions in ECX yet. */
function checkMonitor<V>(b: Builder<V>): void {
  b.when(b.get(CPL), () => b.raise(INVALID_OPCODE));
  b.when(b.gpr(ECX, 4), () => b.raise(GENERAL_PROTECTION, b.imm(0)));
}

/** The address is checked as that of a byte to be read. */
export const monitor: Semantics = (b, i) => {
  checkMonitor(b);
  b.load("operand", b.gpr(EAX, i.addressSize), 1);
  b.helper("monitorWait", b.imm(ARM));
};

export const mwait: Semantics = (b) => {
  checkMonitor(b);
  b.helper("monitorWait", b.imm(WAIT));
};

/** A hint that costs time on silicon: no technique asks to be told of it. */
export const pause: Semantics = () => {};
export const clts = whole("clearTaskSwitched");
/** INVD and WBINVD. */
export const invalidateCaches = whole("cacheControl");
export const cpuid = whole("cpuid");
export const rdtsc = whole("readTimestamp");
export const rdpmc = whole("readPerformanceCounter");
export const rdmsr = whole("readMsr");
export const wrmsr = whole("writeMsr");
export const sysenter = whole("sysenter");
export const sysexit = whole("sysexit");

/** All 32 bits of the base are stored whatever the operand size, against the letter of the manual, as every processor since the 386 does. */
function storeTableRegister<V>(b: Builder<V>, i: Instance<V>, limit: Field, base: Field): void {
  b.helper("checkUmip");
  const address = b.let(i.op[0].address(b));
  b.store("operand", address, 2, b.get(limit));
  b.store("operand", behind(b, i, address, 2), 4, b.get(base));
}

export const sgdt: Semantics = (b, i) => storeTableRegister(b, i, GDTR_LIMIT, GDTR_BASE);
export const sidt: Semantics = (b, i) => storeTableRegister(b, i, IDTR_LIMIT, IDTR_BASE);

/** A 16-bit operand size takes 24 bits of the base, as on the 286. */
function loadTableRegister<V>(b: Builder<V>, i: Instance<V>, name: "loadGdt" | "loadIdt"): void {
  const address = b.let(i.op[0].address(b));
  const limit = b.let(b.load("operand", address, 2));
  const base = b.load("operand", behind(b, i, address, 2), 4);
  b.helper(name, i.operandSize === 2 ? b.and(base, b.imm(0xffffff)) : base, limit);
}

export const lgdt: Semantics = (b, i) => loadTableRegister(b, i, "loadGdt");
export const lidt: Semantics = (b, i) => loadTableRegister(b, i, "loadIdt");

export const sldt: Semantics = (b, i) => {
  b.helper("checkUmip");
  i.op[0].write(b, b.helper("storeLdt"));
};
export const str: Semantics = (b, i) => {
  b.helper("checkUmip");
  i.op[0].write(b, b.helper("storeTask"));
};
/** A 32-bit register takes all of CR0 (its upper half is undefined by the manual). */
export const smsw: Semantics = (b, i) => {
  b.helper("checkUmip");
  i.op[0].write(b, b.helper("readControl", b.imm(0)));
};

export const lldt: Semantics = (b, i) => {
  b.helper("loadLdt", i.op[0].read(b));
};
export const ltr: Semantics = (b, i) => {
  b.helper("loadTask", i.op[0].read(b));
};
export const lmsw: Semantics = (b, i) => {
  b.helper("loadMachineStatus", i.op[0].read(b));
};
export const verr: Semantics = (b, i) => {
  b.helper("verifyRead", i.op[0].read(b));
};
export const verw: Semantics = (b, i) => {
  b.helper("verifyWrite", i.op[0].read(b));
};

/** The helper sets ZF if the descriptor may be seen; only then is the destination written. */
function readDescriptor<V>(b: Builder<V>, i: Instance<V>, name: "loadAccessRights" | "loadSegmentLimit"): void {
  const value = b.let(b.helper(name, i.op[1].read(b)));
  b.when(b.condition(4), () => i.op[0].write(b, value));
}

export const lar: Semantics = (b, i) => readDescriptor(b, i, "loadAccessRights");
export const lsl: Semantics = (b, i) => readDescriptor(b, i, "loadSegmentLimit");

/** Raises the RPL of the destination to that of the source; ZF tells whether it had to. What need not change is only read. */
export const arpl: Semantics = (b, i) => {
  const destination = b.let(i.op[0].read(b));
  const level = b.let(b.and(i.op[1].read(b), b.imm(3)));
  const adjusts = b.let(b.ltU(b.and(destination, b.imm(3)), level));
  b.when(adjusts, () => i.op[0].write(b, b.or(b.and(destination, b.imm(0xfffc)), level)));
  b.setStatusFlags(b.or(b.and(b.statusFlags(), b.imm(~EFLAGS_ZF)), b.select(adjusts, b.imm(EFLAGS_ZF), b.imm(0))));
};

export const moveFromControl: Semantics = (b, i) => {
  i.op[0].write(b, b.helper("readControl", i.op[1].number(b)));
};
export const moveToControl: Semantics = (b, i) => {
  b.helper("writeControl", i.op[0].number(b), i.op[1].read(b));
};
export const moveFromDebug: Semantics = (b, i) => {
  i.op[0].write(b, b.helper("readDebug", i.op[1].number(b)));
};
export const moveToDebug: Semantics = (b, i) => {
  b.helper("writeDebug", i.op[0].number(b), i.op[1].read(b));
};

/** The operand names a page, it is not accessed. */
export const invlpg: Semantics = (b, i) => {
  b.helper("invalidatePage", b.add(b.segment("operand", SEG_BASE), i.op[0].address(b)));
};
