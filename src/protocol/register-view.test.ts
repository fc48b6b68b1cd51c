import { describe, expect, it } from "vitest";
import { CONTEXT_H, CONTEXT_V, EFLAGS_SHARED, EFLAGS_SYSTEM, EIP, FLAG_CARRIES, FLAG_RESULT, GPR_BASE, SEGMENT_STRIDE } from "../isa/state-layout.ts";
import { CODE_WINDOW_BYTES, RegisterReader, TRUTH_BYTES, writeCodeWindow, writeTruth } from "./register-view.ts";

const TRUTH = 0x4000, CODE = TRUTH + TRUTH_BYTES;

function state(): { view: DataView; reader: RegisterReader } {
  const buffer = new SharedArrayBuffer(CODE + CODE_WINDOW_BYTES);
  return { view: new DataView(buffer), reader: new RegisterReader(buffer, TRUTH, CODE) };
}

describe("register view", () => {
  it("reads general registers, EIP and segments of the guest's own context", () => {
    const { view, reader } = state();
    view.setUint32(GPR_BASE + 4 * 4, 0xffff_fff0, true); // ESP
    view.setUint32(EIP.offset, 0x7c00, true);
    view.setUint32(CONTEXT_V + SEGMENT_STRIDE, 0x60, true); // CS
    view.setUint32(CONTEXT_V + SEGMENT_STRIDE + 4, 0xc000_0000, true);
    const registers = reader.read(false);
    expect(registers.gpr[4]).toBe(0xffff_fff0);
    expect(registers.eip).toBe(0x7c00);
    expect(registers.virtual.segments[1]).toMatchObject({ selector: 0x60, base: 0xc000_0000 });
    expect(registers.hardware).toBeNull();
  });

  it("shows two EFLAGS while a monitor is attached", () => {
    const { view, reader } = state();
    view.setUint32(FLAG_RESULT.offset, 1, true);
    view.setUint32(CONTEXT_V + EFLAGS_SYSTEM.offset, 0, true); // guest: IF=0
    view.setUint32(CONTEXT_H + EFLAGS_SYSTEM.offset, 0x200, true); // hardware: IF=1
    view.setUint32(EFLAGS_SHARED.offset, 0x400, true); // DF, shared
    const registers = reader.read(true);
    expect(registers.virtual.eflags).toBe(0x402);
    expect(registers.hardware?.eflags).toBe(0x602);
  });

  // SDM Vol. 1, "EFLAGS Register", status flags of 8-bit results.
  it.each([
    ["80h + 80h: zero, carry, overflow, even parity", 0, 0x8000_0000, 0x1 | 0x4 | 0x40 | 0x800],
    ["result FFh: sign, even parity", -1, 0, 0x80 | 0x4],
    ["result 01h: odd parity", 1, 0, 0],
    ["0Fh + 01h = 10h: auxiliary carry", 0x10, 8, 0x10],
    ["7Fh + 01h: sign, overflow, auxiliary carry", -128, 0x4000_0008, 0x80 | 0x800 | 0x10],
    ["SF inverted, parity byte XORed", 1, 0x0101, 0x80 | 0x4],
  ])("turns the lazy flags into EFLAGS: %s", (_, result, carries, expected) => {
    const { view, reader } = state();
    view.setInt32(FLAG_RESULT.offset, result, true);
    view.setUint32(FLAG_CARRIES.offset, carries, true);
    expect(reader.read(false).virtual.eflags).toBe(expected | 2);
  });

  it("carries the truth record and the code window", () => {
    const { view, reader } = state();
    expect(reader.read(false).truth).toBeNull();
    expect(reader.code()).toBeNull();
    const truth = { eflags: 0x246, cpl: 0, cr0: 0x8005_003b, selectors: [0x7b, 0x60, 0x68, 0x7b, 0, 0x33, 0, 0x80], gdtr: { base: 0xc1000, limit: 255 }, idtr: { base: 0x99, limit: 2047 } };
    writeTruth(view, TRUTH, truth);
    expect(reader.read(false).truth).toEqual(truth);
    writeCodeWindow(view, CODE, { linear: 0x1234, eip: 0x34, code32: true, bytes: Uint8Array.of(0x9d, 0xcf) });
    expect(reader.code()).toEqual({ linear: 0x1234, eip: 0x34, code32: true, bytes: Uint8Array.of(0x9d, 0xcf) });
  });
});
