// The keys of a 101/102-key PC keyboard: KeyboardEvent.code names, scan codes of all three sets, and what a US layout types.
//
// Manuals: IBM PS/2 Hardware Interface Technical Reference, "Keyboards"; W3C UI Events KeyboardEvent code Values.

import { UsageError } from "../base/errors.ts";

/** Scan codes of one key. Sets 1 and 2 carry the E0 prefix as E0xxh. */
export interface Key {
  readonly name: string;
  readonly set1: number;
  readonly set2: number;
  readonly set3: number;
}

/** One line a key: name, set 1, set 2, set 3. PrintScreen and Pause have sequences of their own on the wire. */
const TABLE = `
Escape 01 76 08|Digit1 02 16 16|Digit2 03 1e 1e|Digit3 04 26 26|Digit4 05 25 25|Digit5 06 2e 2e|Digit6 07 36 36
Digit7 08 3d 3d|Digit8 09 3e 3e|Digit9 0a 46 46|Digit0 0b 45 45|Minus 0c 4e 4e|Equal 0d 55 55|Backspace 0e 66 66
Tab 0f 0d 0d|KeyQ 10 15 15|KeyW 11 1d 1d|KeyE 12 24 24|KeyR 13 2d 2d|KeyT 14 2c 2c|KeyY 15 35 35|KeyU 16 3c 3c
KeyI 17 43 43|KeyO 18 44 44|KeyP 19 4d 4d|BracketLeft 1a 54 54|BracketRight 1b 5b 5b|Enter 1c 5a 5a
ControlLeft 1d 14 11|KeyA 1e 1c 1c|KeyS 1f 1b 1b|KeyD 20 23 23|KeyF 21 2b 2b|KeyG 22 34 34|KeyH 23 33 33
KeyJ 24 3b 3b|KeyK 25 42 42|KeyL 26 4b 4b|Semicolon 27 4c 4c|Quote 28 52 52|Backquote 29 0e 0e|ShiftLeft 2a 12 12
Backslash 2b 5d 5c|KeyZ 2c 1a 1a|KeyX 2d 22 22|KeyC 2e 21 21|KeyV 2f 2a 2a|KeyB 30 32 32|KeyN 31 31 31|KeyM 32 3a 3a
Comma 33 41 41|Period 34 49 49|Slash 35 4a 4a|ShiftRight 36 59 59|NumpadMultiply 37 7c 7e|AltLeft 38 11 19
Space 39 29 29|CapsLock 3a 58 14|F1 3b 05 07|F2 3c 06 0f|F3 3d 04 17|F4 3e 0c 1f|F5 3f 03 27|F6 40 0b 2f
F7 41 83 37|F8 42 0a 3f|F9 43 01 47|F10 44 09 4f|NumLock 45 77 76|ScrollLock 46 7e 5f|Numpad7 47 6c 6c
Numpad8 48 75 75|Numpad9 49 7d 7d|NumpadSubtract 4a 7b 84|Numpad4 4b 6b 6b|Numpad5 4c 73 73|Numpad6 4d 74 74
NumpadAdd 4e 79 7c|Numpad1 4f 69 69|Numpad2 50 72 72|Numpad3 51 7a 7a|Numpad0 52 70 70|NumpadDecimal 53 71 71
IntlBackslash 56 61 13|F11 57 78 56|F12 58 07 5e|KanaMode 70 13 87|IntlRo 73 51 51|Convert 79 64 86
NonConvert 7b 67 85|IntlYen 7d 6a 5d|NumpadEnter e01c e05a 79|ControlRight e01d e014 58|NumpadDivide e035 e04a 77
PrintScreen e037 e07c 57|AltRight e038 e011 39|Pause e11d e114 62|Home e047 e06c 6e|ArrowUp e048 e075 63
PageUp e049 e07d 6f|ArrowLeft e04b e06b 61|ArrowRight e04d e074 6a|End e04f e069 65|ArrowDown e050 e072 60
PageDown e051 e07a 6d|Insert e052 e070 67|Delete e053 e071 64|MetaLeft e05b e01f 8b|MetaRight e05c e027 8c
ContextMenu e05d e02f 8d`;

export const KEYS: readonly Key[] = TABLE.trim()
  .split(/[|\n]/)
  .map((line) => {
    const [name, set1, set2, set3] = line.split(" ");
    return { name: name as string, set1: parseInt(set1 as string, 16), set2: parseInt(set2 as string, 16), set3: parseInt(set3 as string, 16) };
  });

const BY_NAME = new Map(KEYS.map((key) => [key.name, key]));
const BY_SET1 = new Map(KEYS.map((key) => [key.set1, key]));

/** A key by its KeyboardEvent.code or its set-1 make code (E0xxh with prefix). */
export function findKey(key: string | number): Key | undefined {
  return typeof key === "string" ? BY_NAME.get(key) : BY_SET1.get(key);
}

/** The set-1 make code of a KeyboardEvent.code, E0xxh with prefix, or undefined. */
export function keyNameToScancode(name: string): number | undefined {
  return BY_NAME.get(name)?.set1;
}

/** A key going down or up; `code` is its set-1 make code. */
export interface KeyEvent {
  readonly code: number;
  readonly down: boolean;
}

/** Characters of the US layout by key: plain, then shifted. */
const US_LAYOUT: readonly (readonly [name: string, plain: string, shifted: string])[] = [
  ...Array.from("abcdefghijklmnopqrstuvwxyz", (c) => [`Key${c.toUpperCase()}`, c, c.toUpperCase()] as const),
  ...Array.from("1234567890", (c, i) => [`Digit${c}`, c, "!@#$%^&*()"[i] as string] as const),
  ["Minus", "-", "_"],
  ["Equal", "=", "+"],
  ["BracketLeft", "[", "{"],
  ["BracketRight", "]", "}"],
  ["Backslash", "\\", "|"],
  ["Semicolon", ";", ":"],
  ["Quote", "'", '"'],
  ["Backquote", "`", "~"],
  ["Comma", ",", "<"],
  ["Period", ".", ">"],
  ["Slash", "/", "?"],
  ["Space", " ", " "],
  ["Enter", "\n", "\r"],
  ["Tab", "\t", "\t"],
  ["Backspace", "\b", "\x7f"],
  ["Escape", "\x1b", "\x1b"],
];

const US_CHARACTERS = new Map<string, { name: string; shift: boolean }>();
for (const [name, plain, shifted] of US_LAYOUT) {
  // Control characters need no shift, whichever column they stand in.
  US_CHARACTERS.set(shifted, { name, shift: shifted > " " && shifted !== "\x7f" });
  US_CHARACTERS.set(plain, { name, shift: false });
}

/** The key that types `character` on a US keyboard, or undefined. */
export function usKeyOf(character: string): { name: string; shift: boolean } | undefined {
  return US_CHARACTERS.get(character);
}

/** Names that people write in `<...>`, besides every KeyboardEvent.code. */
const ALIASES: Readonly<Record<string, string>> = {
  Up: "ArrowUp",
  Down: "ArrowDown",
  Left: "ArrowLeft",
  Right: "ArrowRight",
  Esc: "Escape",
  Return: "Enter",
  Del: "Delete",
  Ins: "Insert",
  PgUp: "PageUp",
  PgDn: "PageDown",
  Ctrl: "ControlLeft",
  Alt: "AltLeft",
  AltGr: "AltRight",
  Shift: "ShiftLeft",
  Win: "MetaLeft",
};

function namedKey(name: string): { name: string; shift: boolean } | undefined {
  if (name === "Less") return { name: "Comma", shift: true };
  const code = ALIASES[name] ?? name;
  if (BY_NAME.has(code)) return { name: code, shift: false };
  return name.length === 1 ? usKeyOf(name) : undefined;
}

/**
 * What a person at a US keyboard does to type `text`. `<Enter>`, `<F1>`, `<Up>` and any KeyboardEvent.code name a key,
 * `<Ctrl+C>` or `<Ctrl+Alt+Delete>` a chord, `<Less>` a `<` that would otherwise start a name. Throws UsageError on a character that no key has.
 */
export function textToKeys(text: string): KeyEvent[] {
  const events: KeyEvent[] = [];
  const stroke = (names: readonly string[]) => {
    const codes = names.map((name) => keyNameToScancode(name) as number);
    for (const code of codes) events.push({ code, down: true });
    for (const code of codes.reverse()) events.push({ code, down: false });
  };
  for (let i = 0; i < text.length; ) {
    const chord = /^<([^<>]+|[^<>]*\+[<>])>/.exec(text.slice(i));
    const keys = chord === null ? undefined : chordKeys(chord[1] as string);
    if (chord !== null && keys !== undefined) {
      stroke(keys);
      i += chord[0].length;
      continue;
    }
    const key = usKeyOf(text[i] as string);
    if (key === undefined) throw new UsageError(`no key of a US keyboard types ${JSON.stringify(text[i])}`);
    stroke(key.shift ? ["ShiftLeft", key.name] : [key.name]);
    i++;
  }
  return events;
}

/** Keys of `Ctrl+Alt+Delete`, `Ctrl++` or `Enter`, in the order they go down; undefined if that names no keys. */
function chordKeys(text: string): string[] | undefined {
  const parts = text.endsWith("++") ? [...text.slice(0, -2).split("+"), "+"] : text.split("+");
  const keys: string[] = [];
  for (const part of parts) {
    // A letter in a chord names its key: <Ctrl+C> is not <Ctrl+Shift+C>.
    const key = namedKey(parts.length > 1 && part.length === 1 ? part.toLowerCase() : part);
    if (key === undefined || (parts.length === 1 && part.length === 1)) return undefined;
    if (key.shift && !keys.includes("ShiftLeft")) keys.push("ShiftLeft");
    keys.push(key.name);
  }
  return keys;
}
