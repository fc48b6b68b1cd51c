// Keyboard positions (KeyboardEvent.code) to scan-code set 1, as an IBM PC keyboard behind an 8042 with translation sends them.
// IBM PS/2 Hardware Interface Technical Reference, "Keyboard (101- and 102-Key)", scan code set 1.

const PLAIN: Readonly<Record<string, number>> = {
  Escape: 0x01, Minus: 0x0c, Equal: 0x0d, Backspace: 0x0e, Tab: 0x0f, BracketLeft: 0x1a, BracketRight: 0x1b, Enter: 0x1c, ControlLeft: 0x1d,
  Semicolon: 0x27, Quote: 0x28, Backquote: 0x29, ShiftLeft: 0x2a, Backslash: 0x2b, Comma: 0x33, Period: 0x34, Slash: 0x35, ShiftRight: 0x36,
  NumpadMultiply: 0x37, AltLeft: 0x38, Space: 0x39, CapsLock: 0x3a, NumLock: 0x45, ScrollLock: 0x46, Numpad7: 0x47, Numpad8: 0x48, Numpad9: 0x49,
  NumpadSubtract: 0x4a, Numpad4: 0x4b, Numpad5: 0x4c, Numpad6: 0x4d, NumpadAdd: 0x4e, Numpad1: 0x4f, Numpad2: 0x50, Numpad3: 0x51, Numpad0: 0x52,
  NumpadDecimal: 0x53, IntlBackslash: 0x56, F11: 0x57, F12: 0x58, KanaMode: 0x70, IntlRo: 0x73, Convert: 0x79, NonConvert: 0x7b, IntlYen: 0x7d,
};
/** Keys that the 101-key keyboard added: prefixed with E0. */
const EXTENDED: Readonly<Record<string, number>> = {
  NumpadEnter: 0x1c, ControlRight: 0x1d, NumpadDivide: 0x35, AltRight: 0x38, Home: 0x47, ArrowUp: 0x48, PageUp: 0x49, ArrowLeft: 0x4b, ArrowRight: 0x4d,
  End: 0x4f, ArrowDown: 0x50, PageDown: 0x51, Insert: 0x52, Delete: 0x53, MetaLeft: 0x5b, MetaRight: 0x5c, ContextMenu: 0x5d,
};
const LETTERS = ["QWERTYUIOP", "ASDFGHJKL", "ZXCVBNM"];
const ROW_STARTS = [0x10, 0x1e, 0x2c];

const CODES: ReadonlyMap<string, readonly number[]> = (() => {
  const codes = new Map<string, readonly number[]>();
  for (const [code, value] of Object.entries(PLAIN)) codes.set(code, [value]);
  for (const [code, value] of Object.entries(EXTENDED)) codes.set(code, [0xe0, value]);
  LETTERS.forEach((row, index) => [...row].forEach((letter, at) => codes.set(`Key${letter}`, [ROW_STARTS[index] + at])));
  for (let digit = 1; digit <= 10; digit++) codes.set(`Digit${digit % 10}`, [1 + digit]);
  for (let f = 1; f <= 10; f++) codes.set(`F${f}`, [0x3a + f]);
  return codes;
})();

/** Pause sends its make and break code at once and nothing on release. */
const PAUSE = [0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5];
const PRINT_SCREEN_MAKE = [0xe0, 0x2a, 0xe0, 0x37], PRINT_SCREEN_BREAK = [0xe0, 0xb7, 0xe0, 0xaa];

/** Bytes for a key going down or up; empty for keys that a PC keyboard does not have. */
export function scanCodes(code: string, down: boolean): Uint8Array {
  if (code === "Pause") return Uint8Array.from(down ? PAUSE : []);
  if (code === "PrintScreen") return Uint8Array.from(down ? PRINT_SCREEN_MAKE : PRINT_SCREEN_BREAK);
  const codes = CODES.get(code);
  if (!codes) return new Uint8Array(0);
  return Uint8Array.from(codes, (byte, index) => (!down && index === codes.length - 1 ? byte | 0x80 : byte));
}
