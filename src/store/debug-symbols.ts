// Names of addresses, from what a person drops beside the image: System.map, the output of nm, an ELF file with a symbol table.
// "Tool Interface Standard (TIS) Executable and Linking Format", version 1.2, "Symbol Table"; the output of nm: POSIX, "nm".

export interface Symbol {
  readonly address: number;
  readonly name: string;
  /** In bytes; 0: not known. */
  readonly size: number;
}

const ELF_MAGIC = 0x464c457f, ELF_32 = 1, LITTLE = 1;
const SECTION_SYMBOLS = 2, SYMBOL_BYTES = 16, SECTION_BYTES = 40;
const TYPE_OBJECT = 1, TYPE_FUNCTION = 2, TYPE_NONE = 0;
/** Beyond this a text is no list of symbols that a person wants to wait for. */
export const LARGEST_SYMBOL_FILE = 256 << 20;
const TEXT_LOOK = 4096;

/** `address type name`, or as `nm -S` writes it `address size type name`. Eight digits, or sixteen of which the first eight are zeros. */
const LINE = /^(?:0{8})?([0-9a-f]{8})(?: (?:0{8})?([0-9a-f]{8}))? ([A-Za-z?]) (\S+)/;

/** Whether the first bytes are those of a list of symbols. */
export function looksLikeSymbols(bytes: Uint8Array): boolean {
  const lines = new TextDecoder("latin1").decode(bytes.subarray(0, TEXT_LOOK)).split(/\r?\n/).slice(0, 8).filter((line) => line !== "");
  const whole = lines.slice(0, Math.max(1, lines.length - 1));
  return whole.length > 0 && whole.every((line) => LINE.test(line) || /^ {8,} [Uw] \S+/.test(line));
}

/** Whether the first bytes are those of an ELF file for the 386. */
export function looksLikeElf(bytes: Uint8Array): boolean {
  return bytes.length > 20 && new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true) === ELF_MAGIC && bytes[4] === ELF_32 && bytes[5] === LITTLE;
}

export function readSymbols(bytes: Uint8Array): Symbol[] {
  return looksLikeElf(bytes) ? readElf(bytes) : readText(new TextDecoder("latin1").decode(bytes));
}

function readText(text: string): Symbol[] {
  const symbols: Symbol[] = [];
  for (const line of text.split(/\r?\n/)) {
    const match = LINE.exec(line);
    if (!match || /[?aANU]/.test(match[3]!)) continue;
    symbols.push({ address: Number.parseInt(match[1]!, 16), size: match[2] ? Number.parseInt(match[2], 16) : 0, name: match[4]! });
  }
  return symbols;
}

function readElf(bytes: Uint8Array): Symbol[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const inside = (at: number, length: number): boolean => at >= 0 && at + length <= bytes.length;
  const sections = view.getUint32(0x20, true), count = view.getUint16(0x30, true);
  const section = (n: number): { type: number; offset: number; size: number; link: number } | null => {
    const at = sections + n * SECTION_BYTES;
    if (n >= count || !inside(at, SECTION_BYTES)) return null;
    return { type: view.getUint32(at + 4, true), offset: view.getUint32(at + 16, true), size: view.getUint32(at + 20, true), link: view.getUint32(at + 24, true) };
  };
  const symbols: Symbol[] = [];
  for (let n = 0; n < count; n++) {
    const table = section(n);
    if (table?.type !== SECTION_SYMBOLS || !inside(table.offset, table.size)) continue;
    const strings = section(table.link);
    if (!strings || !inside(strings.offset, strings.size)) continue;
    const names = bytes.subarray(strings.offset, strings.offset + strings.size);
    for (let at = table.offset; at + SYMBOL_BYTES <= table.offset + table.size; at += SYMBOL_BYTES) {
      const type = view.getUint8(at + 12) & 15, place = view.getUint16(at + 14, true);
      if ((type !== TYPE_NONE && type !== TYPE_OBJECT && type !== TYPE_FUNCTION) || place === 0 || place >= 0xff00) continue;
      const start = view.getUint32(at, true), end = names.indexOf(0, start);
      if (start === 0 || end < 0) continue;
      symbols.push({ address: view.getUint32(at + 4, true), size: view.getUint32(at + 8, true), name: String.fromCharCode(...names.subarray(start, Math.min(end, start + 200))) });
    }
  }
  return symbols;
}

/** Far behind the last symbol, code belongs to nobody. */
const FARTHEST = 1 << 20;

export class SymbolTable {
  readonly #sorted: readonly Symbol[];
  readonly #byName: ReadonlyMap<string, Symbol>;

  constructor(symbols: readonly Symbol[]) {
    // Of several names at one address the first one stays: files name functions before their local labels.
    const sorted = [...symbols].sort((a, b) => a.address - b.address);
    this.#sorted = sorted.filter((symbol, n) => n === 0 || symbol.address !== sorted[n - 1]!.address);
    this.#byName = new Map([...sorted].reverse().map((symbol) => [symbol.name, symbol]));
  }

  get count(): number {
    return this.#byName.size;
  }

  address(name: string): number | null {
    return this.#byName.get(name)?.address ?? null;
  }

  /** The symbol that `address` lies in. */
  at(address: number): { readonly name: string; readonly offset: number } | null {
    let low = 0, high = this.#sorted.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      if (this.#sorted[middle]!.address <= address) low = middle + 1;
      else high = middle - 1;
    }
    const symbol = this.#sorted[high];
    if (!symbol) return null;
    const offset = address - symbol.address;
    return offset < (symbol.size > 0 ? symbol.size : FARTHEST) ? { name: symbol.name, offset } : null;
  }

  /** Names that contain `part`, those that begin with it first. */
  search(part: string, most: number): string[] {
    const found: string[] = [];
    const wanted = part.toLowerCase();
    for (const { name } of this.#sorted) if (name.toLowerCase().startsWith(wanted) && found.push(name) === most) return found;
    for (const { name } of this.#sorted) if (name.toLowerCase().indexOf(wanted) > 0 && found.push(name) === most) return found;
    return found;
  }
}
