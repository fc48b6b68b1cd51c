// What a person does at the guest's keyboard, for those who have no keyboard events: scripts, the library, pasted text.

import { findKey, textToKeys } from "../hardware/ps2-keys.ts";

/** Key events that type a text on a US keyboard; `<Enter>`, `<F1>`, `<Ctrl+C>` name keys. Throws UsageError. */
export { textToKeys };

/** Whether `name` is a KeyboardEvent.code of the keyboard. */
export function isKeyName(name: string): boolean {
  return findKey(name) !== undefined;
}
