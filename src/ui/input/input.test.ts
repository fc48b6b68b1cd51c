import { describe, expect, it } from "vitest";
import { CP437 } from "./cp437.ts";
import { GuestKeyboard, ReleaseChord } from "./guest-keyboard.ts";

type KeyFacts = Pick<KeyboardEvent, "type" | "key" | "code" | "ctrlKey" | "altKey">;
const key = (type: "keydown" | "keyup", code: string, held: { ctrl?: boolean; alt?: boolean } = {}, name = code): KeyFacts =>
  ({ type, code, key: name, ctrlKey: held.ctrl ?? false, altKey: held.alt ?? false });

describe("release chord", () => {
  const see = (events: KeyFacts[]): boolean[] => {
    const chord = new ReleaseChord();
    return events.map((event) => chord.see(event));
  };

  it("is Ctrl and Alt alone, pressed together and released", () => {
    expect(see([
      key("keydown", "ControlLeft", { ctrl: true }, "Control"), key("keydown", "AltLeft", { ctrl: true, alt: true }, "Alt"), key("keyup", "AltLeft", { ctrl: true }, "Alt"),
    ])).toEqual([false, false, true]);
  });

  it("is not Ctrl+Alt+F1, which the guest may want, nor AltGr", () => {
    expect(see([
      key("keydown", "ControlLeft", { ctrl: true }, "Control"), key("keydown", "AltLeft", { ctrl: true, alt: true }, "Alt"), key("keydown", "F1", { ctrl: true, alt: true }),
      key("keyup", "F1", { ctrl: true, alt: true }), key("keyup", "AltLeft", { ctrl: true }, "Alt"), key("keyup", "ControlLeft", {}, "Control"),
    ])).toEqual([false, false, false, false, false, false]);
    expect(see([
      key("keydown", "ControlLeft", { ctrl: true }, "Control"), key("keydown", "AltRight", { ctrl: true, alt: true }, "AltGraph"), key("keyup", "AltRight", { ctrl: true }, "AltGraph"),
    ])).toEqual([false, false, false]);
  });
});

describe("guest keyboard", () => {
  const event = (facts: KeyFacts, shiftKey = false): KeyboardEvent & { prevented: boolean } => {
    const own = { ...facts, shiftKey, prevented: false, preventDefault() { own.prevented = true; }, stopPropagation() {} };
    return own as unknown as KeyboardEvent & { prevented: boolean };
  };

  it("sends keys as they go down and up, once, and lets Shift+Tab out", () => {
    const sent: [string, boolean][] = [];
    const keyboard = new GuestKeyboard((code, down) => sent.push([code, down]), () => {});
    const a = event(key("keydown", "KeyA"));
    keyboard.handle(a);
    keyboard.handle(Object.assign(event(key("keydown", "KeyA")), { repeat: true })); // the guest's keyboard repeats by itself
    keyboard.handle(event(key("keyup", "KeyA")));
    expect(sent).toEqual([["KeyA", true], ["KeyA", false]]);
    expect(a.prevented).toBe(true);
    const tab = event(key("keydown", "Tab"), true);
    keyboard.handle(tab);
    expect(tab.prevented).toBe(false);
    expect(sent).toHaveLength(2);
  });

  it("leaves no key pressed in the guest when the focus goes", () => {
    const sent: [string, boolean][] = [];
    const keyboard = new GuestKeyboard((code, down) => sent.push([code, down]), () => {});
    keyboard.handle(event(key("keydown", "ShiftLeft")));
    keyboard.handle(event(key("keydown", "ArrowUp")));
    keyboard.releaseAll();
    expect(sent.slice(2)).toEqual([["ShiftLeft", false], ["ArrowUp", false]]);
    keyboard.handle(event(key("keyup", "ShiftLeft"))); // released elsewhere: not sent twice
    expect(sent).toHaveLength(4);
  });
});

describe("code page 437", () => {
  it("has 256 glyphs in their places", () => {
    expect(CP437).toHaveLength(256);
    expect(new Set(CP437).size).toBeGreaterThan(252); // blanks stand for 0, 20h and FFh
    expect([CP437[0x41], CP437[0x01], CP437[0x1e], CP437[0x7f], CP437[0x80], CP437[0xb0], CP437[0xc9], CP437[0xdb], CP437[0xe1], CP437[0xfe]]).toEqual(["A", "☺", "▲", "⌂", "Ç", "░", "╔", "█", "ß", "■"]);
  });
});
