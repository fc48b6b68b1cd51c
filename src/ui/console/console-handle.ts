// What the bar above a console, the row of keys and the search use of the console that is shown.

import type { Terminal } from "@xterm/xterm";

export interface ConsoleHandle {
  /** A serial line takes text as it is; the screen's keyboard takes keys, which the guest makes text of. */
  readonly kind: "serial" | "screen";
  /** Where text stands; null: a picture, or nothing. */
  terminal(): Terminal | null;
  focus(): void;
  /** Types a text for the guest. */
  type(text: string): void;
  /** One key from the row on the screen. */
  press(code: string): void;
  /** Holds a modifier until the next key, or lets it go. */
  hold(codes: readonly string[], held: boolean): void;
  /** What there is to see, as a picture; null: nothing. */
  picture(): Promise<Blob | null>;
}

/** Tells the panel of a console that came, or went. */
export type OnHandle = (id: string, handle: ConsoleHandle | null) => void;

/** Everything that stands in a terminal, without the blanks at the ends. */
export function wholeText(terminal: Terminal): string {
  const { active } = terminal.buffer;
  let text = "";
  for (let row = 0; row < active.length; row++) {
    const line = active.getLine(row);
    if (!line) continue;
    text += `${row > 0 && !line.isWrapped ? "\n" : ""}${line.translateToString(active.getLine(row + 1)?.isWrapped !== true)}`;
  }
  return text.trimEnd();
}
