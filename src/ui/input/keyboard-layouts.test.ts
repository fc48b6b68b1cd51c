import { describe, expect, it } from "vitest";
import { findKey } from "../../hardware/ps2-keys.ts";
import { characterName, KeyboardLayout, LAYOUTS, typeText } from "./keyboard-layouts.ts";

/** As `Shift+KeyA`, in the order the keys go down. */
function strokes(text: string, layout: KeyboardLayout): string[] {
  const held: string[] = [], found: string[] = [];
  for (const [code, down] of typeText(text, layout).keys) {
    if (!down) held.splice(held.indexOf(code), 1);
    else if (code === "ShiftLeft" || code === "AltRight") held.push(code);
    else {
      found.push([...held.map((own) => (own === "AltRight" ? "AltGr" : "Shift")), code].join("+"));
      held.push(code);
    }
  }
  expect(held).toEqual([]);
  return found;
}

// DIN 2137-1, AFNOR's AZERTY, BS 4822, UNE 71-102: where a person at such a keyboard puts the fingers.
describe("keyboard layouts", () => {
  it.each<[string, string, string[]]>([
    ["us", "y{@\n", ["KeyY", "Shift+BracketLeft", "Shift+Digit2", "Enter"]],
    ["uk", '"£|€', ["Shift+Digit2", "Shift+Digit3", "Shift+IntlBackslash", "AltGr+Digit4"]],
    ["de", "yZß@{\\|<é^", ["KeyZ", "Shift+KeyY", "Minus", "AltGr+KeyQ", "AltGr+Digit7", "AltGr+Minus", "AltGr+IntlBackslash", "IntlBackslash", "Equal", "KeyE", "Backquote", "Space"]],
    ["fr", "aQ1@{é.êÏ", ["KeyQ", "Shift+KeyA", "Shift+Digit1", "AltGr+Digit0", "AltGr+Digit4", "Digit2", "Shift+Comma", "BracketLeft", "KeyE", "Shift+BracketLeft", "Shift+KeyI"]],
    ["es", "ñ@{á", ["Semicolon", "AltGr+Digit2", "AltGr+Quote", "Quote", "KeyA"]],
  ])("types as a person does under %s", (id, text, expected) => {
    expect(strokes(text, new KeyboardLayout(id as "us"))).toEqual(expected);
  });

  it("has keys that the guest's keyboard has, and everything that programs are written in", () => {
    for (const { id } of LAYOUTS) {
      const ascii = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)).join("");
      const { keys, missing } = typeText(ascii, new KeyboardLayout(id));
      expect([id, ...missing.map(({ character }) => character)]).toEqual([id]);
      expect(keys.filter(([code]) => findKey(code) === undefined)).toEqual([]);
    }
  });

  it("names what it lacks instead of dropping it", () => {
    const { keys, missing } = typeText("aя\u200bя\r\n", new KeyboardLayout("us"));
    expect(keys.filter(([, down]) => down).map(([code]) => code)).toEqual(["KeyA", "Enter"]);
    expect(missing.map(({ character, times }) => [characterName(character), times])).toEqual([["я (U+044F)", 2], ["U+200B", 1]]);
  });
});
