// Flag control. SDM Vol. 1, "Flag Control (EFLAG) Instructions". What depends on IOPL, V86, VME or PVI is in the helpers.

import type { Builder } from "../builder.ts";
import type { Semantics } from "../row.ts";
import { EAX, EFLAGS_DF, EFLAGS_FIXED, EFLAGS_OF, EFLAGS_SHARED, EFLAGS_STATUS } from "../state-layout.ts";

/** AH is byte register 4. */
const AH = 4;

function setCarry<V>(b: Builder<V>, carry: V): void {
  b.setCarryOverflow(carry, b.let(b.condition(0)));
}

export const clc: Semantics = (b) => setCarry(b, b.imm(0));
export const stc: Semantics = (b) => setCarry(b, b.imm(1));
export const cmc: Semantics = (b) => setCarry(b, b.let(b.eqz(b.carry())));

export const cld: Semantics = (b) => b.set(EFLAGS_SHARED, b.and(b.get(EFLAGS_SHARED), b.imm(~EFLAGS_DF)));
export const std: Semantics = (b) => b.set(EFLAGS_SHARED, b.or(b.get(EFLAGS_SHARED), b.imm(EFLAGS_DF)));

export const lahf: Semantics = (b) => b.setGpr(AH, 1, b.or(b.statusFlags(), b.imm(EFLAGS_FIXED)));

/** All status flags but OF come from AH. */
export const sahf: Semantics = (b) => {
  const overflow = b.and(b.statusFlags(), b.imm(EFLAGS_OF));
  b.setStatusFlags(b.or(overflow, b.and(b.gpr(AH, 1), b.imm(EFLAGS_STATUS & ~EFLAGS_OF))));
};

/** Undocumented until late: AL = CF ? FFh : 0, no flag changes. */
export const salc: Semantics = (b) => b.setGpr(EAX, 1, b.sub(b.imm(0), b.carry()));

export const pushf: Semantics = (b, i) => {
  b.helper("pushFlags", b.imm(i.operandSize));
};
export const popf: Semantics = (b, i) => {
  b.helper("popFlags", b.imm(i.operandSize));
};
export const cli: Semantics = (b) => {
  b.helper("clearInterruptFlag");
};
export const sti: Semantics = (b) => {
  b.helper("setInterruptFlag");
};
