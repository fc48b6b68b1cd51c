// Waits for a text: in the bytes of COM1, COM2 and port E9h, or in one row of the text screen.
// Only what comes after the text was asked for counts. On a screen that scrolls this takes some care: what stood there
// already is stale, and stays stale while it moves up.

/** Finds a byte string in a stream (Knuth, Morris, Pratt 1977). */
class StreamMatcher {
  private readonly needle: Uint8Array;
  private readonly fallback: Int32Array;
  private matched = 0;

  constructor(needle: Uint8Array) {
    this.needle = needle;
    this.fallback = new Int32Array(needle.length);
    for (let at = 1, length = 0; at < needle.length; at++) {
      while (length > 0 && needle[at] !== needle[length]) length = this.fallback[length - 1]!;
      if (needle[at] === needle[length]) length++;
      this.fallback[at] = length;
    }
  }

  /** True when the text ends with this byte. */
  feed(byte: number): boolean {
    const { needle, fallback } = this;
    while (this.matched > 0 && needle[this.matched] !== byte) this.matched = fallback[this.matched - 1]!;
    if (needle[this.matched] === byte) this.matched++;
    if (this.matched < needle.length) return false;
    this.matched = fallback[this.matched - 1]!;
    return true;
  }
}

const GONE = "\0";

/** Finds a text in the rows of a screen that it is shown again and again. */
export class ScreenMatcher {
  private readonly needle: string;
  private shown: readonly string[];
  /** What of `shown` was there when the text was asked for; other places hold GONE. */
  private stale: string[];

  constructor(needle: string, before: readonly string[]) {
    this.needle = needle;
    this.shown = before;
    this.stale = [...before];
  }

  look(rows: readonly string[]): boolean {
    const shift = scrolledBy(this.shown, rows);
    const moved = rows.map((row, index) => stillThere(this.stale[index + shift] ?? "", row));
    this.stale = moved;
    this.shown = rows;
    return rows.some((row, index) => this.isFresh(row, moved[index]!));
  }

  private isFresh(row: string, stale: string): boolean {
    const { needle } = this;
    for (let at = row.indexOf(needle); at >= 0; at = row.indexOf(needle, at + 1)) {
      if (stale.slice(at, at + needle.length) !== needle) return true;
    }
    return false;
  }
}

/** Characters of `before` that `now` still has at the same place. */
function stillThere(before: string, now: string): string {
  if (before === now) return before;
  let text = "";
  for (let at = 0; at < before.length && at < now.length; at++) text += before[at] === now[at] ? before[at] : GONE;
  return text;
}

/** Rows by which the screen moved up: the least shift under which all but the last rows in use agree. */
function scrolledBy(before: readonly string[], now: readonly string[]): number {
  let used = before.length;
  while (used > 0 && before[used - 1] === "") used--;
  const steady = Math.max(0, used - 1);
  for (let shift = 0; shift < steady; shift++) {
    let row = shift;
    while (row < steady && before[row] === now[row - shift]) row++;
    if (row === steady) return shift;
  }
  return 0;
}

export type StreamName = 0 | 1 | "debug";

export class Expectation {
  readonly text: string;
  met = false;
  private readonly streams: ReadonlyMap<StreamName, StreamMatcher>;
  private readonly screen: ScreenMatcher;

  /** `rows`: the screen at this moment. */
  constructor(text: string, bytes: Uint8Array, rows: readonly string[] | null) {
    this.text = text;
    this.streams = new Map(([0, 1, "debug"] as const).map((name) => [name, new StreamMatcher(bytes)]));
    this.screen = new ScreenMatcher(text, rows ?? []);
  }

  byte(stream: StreamName, byte: number): void {
    if (this.streams.get(stream)!.feed(byte)) this.met = true;
  }

  rows(rows: readonly string[]): void {
    if (this.screen.look(rows)) this.met = true;
  }
}
