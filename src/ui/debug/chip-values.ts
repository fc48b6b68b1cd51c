// How the registers of a chip are written: sections of rows, and the small words of which the chips' views are made.

/** Name, value, and what it means. */
export type ChipRow = readonly [name: string, value: string, meaning?: string];

export interface ChipSection {
  readonly title?: string;
  readonly rows: readonly ChipRow[];
}

/** The saved registers of a chip, as they come; each view knows its own. */
// biome-ignore lint/suspicious/noExplicitAny: the shape is the chip's own
export type Registers = any;

export interface ChipView {
  readonly title: string;
  /** What it does in a PC, in a few words. */
  readonly purpose: string;
  readonly sections: (state: Registers) => readonly ChipSection[];
}

export const hex = (value: number, width = 2): string => (value >>> 0).toString(16).padStart(width, "0");

/** Names of the bits that are set, the lowest first; "none" where there is none. */
export function bits(value: number, names: readonly string[]): string {
  const set = names.filter((name, bit) => name !== "" && (value >>> bit) & 1);
  return set.length === 0 ? "none" : set.join(", ");
}

/** Numbers of the bits that are set. */
export function bitNumbers(value: number, count: number, first = 0): string {
  const set = Array.from({ length: count }, (_, bit) => bit).filter((bit) => (value >>> bit) & 1);
  return set.length === 0 ? "none" : set.map((bit) => String(bit + first)).join(" ");
}

export const yes = (value: unknown): string => (value ? "yes" : "no");

/** Of a chip without a view of its own: its registers by the names in the source. */
export function plainSections(state: Registers): ChipSection[] {
  const rows: ChipRow[] = [];
  const sections: ChipSection[] = [];
  for (const [name, value] of Object.entries(state as object)) {
    if (value instanceof Uint8Array) rows.push([name, `${[...value.subarray(0, 32)].map((byte) => hex(byte)).join(" ")}${value.length > 32 ? " …" : ""}`]);
    else if (Array.isArray(value)) rows.push([name, value.length === 0 ? "empty" : value.every((inner) => typeof inner !== "object") ? value.join(" ") : `${value.length} entries`]);
    else if (typeof value === "object" && value !== null) sections.push({ title: name, rows: plainSections(value)[0]?.rows ?? [] });
    else rows.push([name, typeof value === "number" ? `${value >= 0 && Number.isInteger(value) && value < 2 ** 32 ? hex(value) : value}` : String(value)]);
  }
  return [{ rows }, ...sections];
}
