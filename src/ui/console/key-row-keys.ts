// The keys of the row on the screen, and what a serial terminal sends for them.
//
// ECMA-48; DEC VT220 Programmer Reference Manual, "Transmitted Codes"; xterm's modifier parameters.

export interface RowKey {
  readonly label: string;
  /** What the label stands for. */
  readonly name?: string;
  readonly code: string;
}

export interface HeldKey {
  readonly label: string;
  readonly name: string;
  readonly codes: readonly string[];
  /** A serial line has no such key. */
  readonly screenOnly?: true;
}

/** Held until the next key. */
export const HELD_KEYS: readonly HeldKey[] = [
  { label: "Ctrl", name: "Control", codes: ["ControlLeft"] },
  { label: "Alt", name: "Alt", codes: ["AltLeft"] },
  { label: "Shift", name: "Shift", codes: ["ShiftLeft"] },
  { label: "AltGr", name: "Alt Graph", codes: ["AltRight"], screenOnly: true },
  { label: "Win", name: "Windows", codes: ["MetaLeft"], screenOnly: true },
  // Linux takes commands while it is held: Alt and Print Screen, then a letter.
  { label: "SysRq", name: "System Request", codes: ["AltLeft", "PrintScreen"], screenOnly: true },
];

export const ROW_KEYS: readonly RowKey[] = [
  { label: "Esc", name: "Escape", code: "Escape" }, { label: "Tab", code: "Tab" }, { label: "↵", name: "Enter", code: "Enter" }, { label: "⌫", name: "Backspace", code: "Backspace" },
  { label: "←", name: "Left", code: "ArrowLeft" }, { label: "↓", name: "Down", code: "ArrowDown" }, { label: "↑", name: "Up", code: "ArrowUp" }, { label: "→", name: "Right", code: "ArrowRight" },
  { label: "Home", code: "Home" }, { label: "End", code: "End" }, { label: "PgUp", name: "Page Up", code: "PageUp" }, { label: "PgDn", name: "Page Down", code: "PageDown" },
  { label: "Ins", name: "Insert", code: "Insert" }, { label: "Del", name: "Delete", code: "Delete" },
  ...Array.from({ length: 12 }, (_, i) => ({ label: `F${i + 1}`, code: `F${i + 1}` })),
];

export interface Modifiers {
  readonly control: boolean;
  readonly alt: boolean;
  readonly shift: boolean;
}

const PLAIN: Readonly<Record<string, string>> = { Escape: "\x1b", Tab: "\t", Enter: "\r", Backspace: "\x7f" };
const LETTERS: Readonly<Record<string, string>> = { ArrowUp: "A", ArrowDown: "B", ArrowRight: "C", ArrowLeft: "D", End: "F", Home: "H", F1: "P", F2: "Q", F3: "R", F4: "S" };
const NUMBERS: Readonly<Record<string, number>> = { Insert: 2, Delete: 3, PageUp: 5, PageDown: 6, F5: 15, F6: 17, F7: 18, F8: 19, F9: 20, F10: 21, F11: 23, F12: 24 };

/** What a terminal sends for a key; "" for one that it has not. `application`: the program asked for the other cursor keys. */
export function serialKey(code: string, { control, alt, shift }: Modifiers, application: boolean): string {
  const plain = PLAIN[code];
  if (plain !== undefined) return code === "Tab" && shift ? "\x1b[Z" : `${alt ? "\x1b" : ""}${plain}`;
  const modifier = 1 + (shift ? 1 : 0) + (alt ? 2 : 0) + (control ? 4 : 0);
  const letter = LETTERS[code], number = NUMBERS[code];
  if (number !== undefined) return `\x1b[${number}${modifier > 1 ? `;${modifier}` : ""}~`;
  if (letter === undefined) return "";
  if (modifier > 1) return `\x1b[1;${modifier}${letter}`;
  return `\x1b${/^F\d/.test(code) || application ? "O" : "["}${letter}`;
}

/** One character with the modifiers that are held: Ctrl+C is 03h, Alt sends ESC before it. */
export function serialCharacter(character: string, { control, alt }: Modifiers): string {
  const code = character.toUpperCase().charCodeAt(0);
  const own = control && character.length === 1 && (code === 0x20 || (code >= 0x40 && code <= 0x5f)) ? String.fromCharCode(code & 0x1f) : character;
  return alt ? `\x1b${own}` : own;
}
