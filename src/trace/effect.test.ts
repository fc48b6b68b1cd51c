import { describe, expect, it } from "vitest";
import { ACTIONS, digest, KIND_EXIT, KIND_LEAK, KIND_OBSERVED, packDigest, REASON_INT, REASON_IRQ } from "../protocol/trap-record.ts";
import { effectText, exitError, exitVector } from "./effect.ts";

const IF = 0x200;

describe("effect", () => {
  it.each<[string, number, keyof typeof ACTIONS, string, number, number, string | null]>([
    ["CLI", 13, "emulate", "CLI", 0, packDigest(digest(IF, 0, 1), digest(0, 0, 1)), "IF 1->0"],
    ["IRET to user", 11, "emulate", "IRET", 0, packDigest(digest(0, 0, 0x8000_0001), digest(IF | 0x3000, 3, 0x8000_0001)), "CPL 0->3, IF 0->1, IOPL 0->3"],
    ["nothing changed", 13, "emulate", "INVD", 0, packDigest(digest(IF, 0, 1), digest(IF, 0, 1)), null],
    ["OUT", 13, "port-out", "OUT", 0x3f8 | (1 << 16), 0x41, "port 03f8 <- 41"],
    ["IN", 13, "port-in", "IN", 0x1f0 | (2 << 16), 0xbeef, "port 01f0 -> beef"],
    ["MOV CR3", 13, "control", "MOV", 3, 0x10_1000, "CR3 = 00101000"],
    ["MOV DR7", 13, "control", "MOV", 23, 0x400, "DR7 = 00000400"],
    ["LGDT", 13, "table", "LGDT", 0x27, 0xc010_0000, "GDTR = c0100000/0027"],
    ["LTR", 13, "table", "LTR", 3 << 16, 0x80, "TR = 0080"],
    ["page fault", 14, "shadow-fill", "MOV", 4, 0xb800_0000, "at b8000000"],
    ["IRQ", REASON_IRQ, "park-irq", "IRQ", 8, 0, "vector 08 waits: IF=0"],
  ])("of %s", (_, reason, action, mnemonic, a, b, expected) => {
    expect(effectText(KIND_EXIT, reason, ACTIONS[action], mnemonic, a, b)).toBe(expected);
  });

  it.each<[string, keyof typeof ACTIONS, number, number, string]>([
    ["POPF", "lost-write", 0x46, 0x246, "write lost: IF stays 0, bare metal 1"],
    ["PUSHF", "leaked-read", 0x246, 0x3046, "guest saw IF=1 IOPL=0, bare metal IF=0 IOPL=3"],
    ["SGDT", "leaked-read", 0xff80_1000, 0x7c40, "guest saw ff801000, bare metal 00007c40"],
    ["PUSH", "leaked-read", 0x61, 0x60, "guest saw 0061 (RPL 1), bare metal 0060 (RPL 0)"],
    ["SMSW", "leaked-read", 0x3b, 0x12, "guest saw PE=1 TS=1 NE=1, bare metal PE=0 TS=0 NE=0"],
    ["VERW", "leaked-read", 0, 1, "guest saw ZF=0, bare metal ZF=1"],
    ["IRET", "wrong-frame", 12, 20, "wrong frame: pops 12 bytes, bare metal 20"],
  ])("of a leaking %s", (mnemonic, action, observed, expected, text) => {
    expect(effectText(KIND_LEAK, 63, ACTIONS[action], mnemonic, observed, expected)).toBe(text);
  });

  it.each<[string, number, string | null]>([["PUSHF", 0x3246, "IF=1 IOPL=3"], ["SIDT", 0x30000, "base 00030000"], ["STR", 0x28, "0028"], ["CLI", 0, null], ["IRET", 0, null]])(
    "of an observed %s is what it showed", (mnemonic, value, text) => {
      expect(effectText(KIND_OBSERVED, 63, ACTIONS.native, mnemonic, value, value)).toBe(text);
    },
  );

  it("gives vector and error code where the processor does", () => {
    expect(exitVector(KIND_EXIT, 13, 0)).toBe(13);
    expect(exitVector(KIND_EXIT, REASON_IRQ, 0x30)).toBe(0x30);
    expect(exitVector(KIND_EXIT, REASON_INT, 0x80)).toBe(0x80);
    expect(exitVector(KIND_LEAK, 63, 13)).toBeNull();
    expect(exitError(KIND_EXIT, 13, ACTIONS.emulate, 0x402)).toBe(0x402);
    expect(exitError(KIND_EXIT, 13, ACTIONS["port-out"], 0x103f8)).toBe(0);
    expect(exitError(KIND_EXIT, 6, ACTIONS.emulate, 5)).toBeNull();
  });
});
