// The decoded record that the interpreter executes: 32 bytes an instruction, blocks of them behind an 8-byte header.

import type { HelperName } from "./builder.ts";

export const RECORD_BYTES = 32;
/** u16: which handler runs it. */
export const R_HANDLER = 0;
/** u8: instruction length. */
export const R_LENGTH = 2;
/** u8: instructions from this one to the end of the block, itself included; 0 in the closing pseudo-record. */
export const R_REMAINING = 3;
/** u16: offset of the first byte in its linear page. */
export const R_OFFSET = 4;
/** u16: segment register number of the memory operand times SEGMENT_STRIDE. */
export const R_SEGMENT = 6;
/** u16 each: address of a register operand in the state, or the number of a segment, control or debug register. */
export const R_REG0 = 8;
export const R_REG1 = 10;
/** u16: state addresses of base and index registers (ZERO_ADDRESS where absent). */
export const R_BASE = 12;
export const R_INDEX = 14;
/** u8 */
export const R_SCALE = 16;
export const R_OPCODE = 17;
export const R_REG2 = 18;
export const R_DISPLACEMENT = 20;
/** i32: immediate; relative branches: the target's offset from the start of the linear page; x87: the 11-bit opcode. */
export const R_IMMEDIATE = 24;
/** u32: record of the branch target once known (LINK_*), or the second immediate. */
export const R_LINK = 28;

/** R_LINK: target in the same page, not looked up yet. */
export const LINK_UNRESOLVED = 0;
/** R_LINK: target must be looked up every time (another page, or a mode that is not flat). */
export const LINK_NEVER = 1;

/** Header before the first record: u16 instruction count, u16 bytes of code, i32 heat. */
export const HEADER_BYTES = 8;
export const H_COUNT = -8;
export const H_CODE_BYTES = -6;
/**
 * Entries of the block until it is worth translating; 0: it is not counted. Negative: a translated region begins here,
 * with its function in the table (HEAT_FUNCTION_MASK) and the number of its entry above (HEAT_ENTRY_SHIFT).
 */
export const H_HEAT = -4;
export const HEAT_REGION = 1 << 31, HEAT_FUNCTION_MASK = 0xffff, HEAT_ENTRY_SHIFT = 16, HEAT_ENTRY_MASK = 0x7fff;

/** Handlers with a fixed number. */
export const HANDLER_REFETCH = 0;
export const HANDLER_CONTINUE = 1;
export const HANDLER_UNDEFINED = 2;
/** In place of a record's own handler: leaves to the run loop before the instruction. */
export const HANDLER_BREAK = 3;
export const FIRST_FREE_HANDLER = 4;

/** Number of i32 arguments of each helper. */
export const HELPER_ARITY: Readonly<Record<HelperName, number>> = {
  farJump: 3, farCall: 3, farReturn: 2, interruptReturn: 1, softwareInterrupt: 1, breakpointTrap: 0, overflowTrap: 0, icebp: 0,
  loadSegment: 2, loadFarPointerSegment: 2, pushFlags: 1, popFlags: 1, clearInterruptFlag: 0, setInterruptFlag: 0,
  halt: 0, checkIo: 2, portIn: 2, portOut: 3, bulkString: 4,
  loadGdt: 2, loadIdt: 2, loadLdt: 1, loadTask: 1, storeTask: 0, storeLdt: 0, checkUmip: 0,
  readControl: 1, writeControl: 2, readDebug: 1, writeDebug: 2, clearTaskSwitched: 0, loadMachineStatus: 1,
  invalidatePage: 1, cacheControl: 0, loadAccessRights: 1, loadSegmentLimit: 1, verifyRead: 1, verifyWrite: 1,
  cpuid: 0, readTimestamp: 0, readMsr: 0, writeMsr: 0, readPerformanceCounter: 0, sysenter: 0, sysexit: 0,
  callout: 0, clearGuestInterruptFlag: 0, setGuestInterruptFlag: 0, pushGuestFlags: 1, popGuestFlags: 1, guestSelector: 1, pushGuestSelector: 2, readGuestTimestamp: 0, storesBeside: 0,
  fpuCheck: 1, fpuHelper: 2, enter: 3, undefined: 0, monitorWait: 1, sseCheck: 1,
};
