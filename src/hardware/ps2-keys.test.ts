import { describe, expect, it } from "vitest";
import { UsageError } from "../base/errors.ts";
import { findKey, KEYS, keyNameToScancode, textToKeys, usKeyOf } from "./ps2-keys.ts";

describe("key table", () => {
  it("has the codes of the technical reference", () => {
    expect(findKey("KeyA")).toEqual({ name: "KeyA", set1: 0x1e, set2: 0x1c, set3: 0x1c });
    expect(findKey(0xe048)?.name).toBe("ArrowUp");
    expect(keyNameToScancode("F12")).toBe(0x58);
    expect(keyNameToScancode("ControlRight")).toBe(0xe01d);
    expect(keyNameToScancode("Nothing")).toBeUndefined();
  });

  it("has each code once", () => {
    for (const set of ["name", "set1", "set2", "set3"] as const) {
      expect(new Set(KEYS.map((key) => key[set])).size, set).toBe(KEYS.length);
    }
    expect(KEYS.length).toBeGreaterThanOrEqual(104);
  });
});

describe("US layout", () => {
  const typed = (text: string) =>
    textToKeys(text)
      .map(({ code, down }) => `${down ? "+" : "-"}${findKey(code)?.name}`)
      .join(" ");

  it("types every printable character of ASCII", () => {
    for (let c = 32; c < 127; c++) expect(usKeyOf(String.fromCharCode(c)), String.fromCharCode(c)).toBeDefined();
    expect(usKeyOf("é")).toBeUndefined();
  });

  it("uses Shift where the key cap says so", () => {
    expect(typed("aA")).toBe("+KeyA -KeyA +ShiftLeft +KeyA -KeyA -ShiftLeft");
    expect(typed("?")).toBe("+ShiftLeft +Slash -Slash -ShiftLeft");
    expect(typed(" 1\n\t")).toBe("+Space -Space +Digit1 -Digit1 +Enter -Enter +Tab -Tab");
  });

  it("takes names and chords in angle brackets", () => {
    expect(typed("<Enter><F1><Up>")).toBe("+Enter -Enter +F1 -F1 +ArrowUp -ArrowUp");
    expect(typed("<Ctrl+C>")).toBe("+ControlLeft +KeyC -KeyC -ControlLeft");
    expect(typed("<Ctrl+Alt+Delete>")).toBe("+ControlLeft +AltLeft +Delete -Delete -AltLeft -ControlLeft");
    expect(typed("<Shift+Tab>")).toBe("+ShiftLeft +Tab -Tab -ShiftLeft");
    expect(typed("<Ctrl++>")).toBe("+ControlLeft +ShiftLeft +Equal -Equal -ShiftLeft -ControlLeft");
  });

  it("leaves a < alone that starts no name", () => {
    expect(typed("<")).toBe("+ShiftLeft +Comma -Comma -ShiftLeft");
    expect(typed("a<b>")).toContain("+KeyB");
    expect(typed("<Less>")).toBe(typed("<"));
  });

  it("refuses what no key types", () => {
    expect(() => textToKeys("ä")).toThrow(UsageError);
  });
});
