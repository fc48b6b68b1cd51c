// WebAssembly binary encoding: bytes, LEB128 and the module's sections (WebAssembly Core Specification, "Binary Format").

export const I32 = 0x7f;
export const I64 = 0x7e;
export const V128 = 0x7b;
export type ValueType = typeof I32 | typeof I64 | typeof V128;
export function valueType(kind: "i32" | "i64" | "v128"): ValueType {
  return kind === "i32" ? I32 : kind === "i64" ? I64 : V128;
}
/** Block type without a result. */
export const VOID = 0x40;

/** A growing byte buffer. */
export class ByteWriter {
  bytes: Uint8Array;
  length = 0;

  constructor(capacity = 1024) {
    this.bytes = new Uint8Array(capacity);
  }

  byte(value: number): void {
    if (this.length === this.bytes.length) this.grow(1);
    this.bytes[this.length++] = value;
  }

  append(other: ByteWriter): void {
    if (this.length + other.length > this.bytes.length) this.grow(other.length);
    this.bytes.set(other.bytes.subarray(0, other.length), this.length);
    this.length += other.length;
  }

  /** Unsigned LEB128 of a 32-bit value. */
  unsigned(value: number): void {
    let rest = value >>> 0;
    while (rest >= 0x80) {
      this.byte((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    this.byte(rest);
  }

  /** Signed LEB128 of a 32-bit value. */
  signed(value: number): void {
    let rest = value | 0;
    for (;;) {
      const low = rest & 0x7f;
      rest >>= 7;
      if ((rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)) {
        this.byte(low);
        return;
      }
      this.byte(low | 0x80);
    }
  }

  /** Signed LEB128 of a whole number of at most 53 bits. */
  signedNumber(value: number): void {
    if (value === (value | 0)) {
      this.signed(value);
      return;
    }
    let rest = value;
    for (;;) {
      const low = ((rest % 128) + 128) % 128;
      rest = (rest - low) / 128;
      if ((rest === 0 && low < 64) || (rest === -1 && low >= 64)) {
        this.byte(low);
        return;
      }
      this.byte(low | 0x80);
    }
  }

  /** Signed LEB128 of a 64-bit value. */
  signed64(value: bigint): void {
    let rest = BigInt.asIntN(64, value);
    for (;;) {
      const low = Number(rest & 0x7fn);
      rest >>= 7n;
      if ((rest === 0n && (low & 0x40) === 0) || (rest === -1n && (low & 0x40) !== 0)) {
        this.byte(low);
        return;
      }
      this.byte(low | 0x80);
    }
  }

  name(text: string): void {
    this.unsigned(text.length);
    for (let i = 0; i < text.length; i++) this.byte(text.charCodeAt(i));
  }

  take(): Uint8Array<ArrayBuffer> {
    return this.bytes.slice(0, this.length) as Uint8Array<ArrayBuffer>;
  }

  private grow(more: number): void {
    const next = new Uint8Array(Math.max(this.bytes.length * 2, this.length + more));
    next.set(this.bytes.subarray(0, this.length));
    this.bytes = next;
  }
}

export interface FunctionType {
  readonly params: readonly ValueType[];
  readonly results: readonly ValueType[];
}

interface Import {
  readonly module: string;
  readonly name: string;
  readonly type: number;
}

interface Body {
  readonly type: number;
  readonly exportName: string | null;
  readonly code: ByteWriter;
}

/** Collects a module: one imported shared memory, function imports, functions, and at most one table that it owns and exports. */
export class ModuleWriter {
  private readonly types: FunctionType[] = [];
  private readonly imports: Import[] = [];
  private readonly bodies: Body[] = [];
  private readonly memoryPages: number;
  private tableSize = 0;
  /** Writes the names of exported functions for debuggers and profilers, too. */
  named = false;

  /** `memoryPages`: size in 64 KB pages of the imported memory "env"."memory" (its minimum and maximum). */
  constructor(memoryPages: number) {
    this.memoryPages = memoryPages;
  }

  type(params: readonly ValueType[], results: readonly ValueType[]): number {
    const key = `${params.join()}>${results.join()}`;
    const found = this.types.findIndex((t) => `${t.params.join()}>${t.results.join()}` === key);
    if (found >= 0) return found;
    this.types.push({ params, results });
    return this.types.length - 1;
  }

  /** All imports come before the first function. Returns the function index. */
  importFunction(name: string, params: readonly ValueType[], results: readonly ValueType[]): number {
    if (this.bodies.length > 0) throw new Error("imports come before functions");
    this.imports.push({ module: "env", name, type: this.type(params, results) });
    return this.imports.length - 1;
  }

  /** `code`: locals and instructions, `end` included. */
  addFunction(type: number, code: ByteWriter, exportName: string | null): void {
    this.bodies.push({ type, exportName, code });
  }

  exportTable(size: number): void {
    this.tableSize = size;
  }

  encode(): Uint8Array<ArrayBuffer> {
    const out = new ByteWriter(4096);
    for (const byte of [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]) out.byte(byte);
    section(out, 1, (w) => {
      w.unsigned(this.types.length);
      for (const type of this.types) {
        w.byte(0x60);
        w.unsigned(type.params.length);
        for (const p of type.params) w.byte(p);
        w.unsigned(type.results.length);
        for (const r of type.results) w.byte(r);
      }
    });
    section(out, 2, (w) => {
      w.unsigned(this.imports.length + 1);
      w.name("env");
      w.name("memory");
      w.byte(2);
      w.byte(3); // shared, with maximum
      w.unsigned(this.memoryPages);
      w.unsigned(this.memoryPages);
      for (const item of this.imports) {
        w.name(item.module);
        w.name(item.name);
        w.byte(0);
        w.unsigned(item.type);
      }
    });
    section(out, 3, (w) => {
      w.unsigned(this.bodies.length);
      for (const body of this.bodies) w.unsigned(body.type);
    });
    if (this.tableSize > 0) {
      section(out, 4, (w) => {
        w.unsigned(1);
        w.byte(0x70);
        w.byte(0);
        w.unsigned(this.tableSize);
      });
    }
    section(out, 7, (w) => {
      const exported = this.bodies.map((body, i) => [body.exportName, i] as const).filter(([name]) => name !== null);
      w.unsigned(exported.length + (this.tableSize > 0 ? 1 : 0));
      for (const [name, i] of exported) {
        w.name(name ?? "");
        w.byte(0);
        w.unsigned(this.imports.length + i);
      }
      if (this.tableSize > 0) {
        w.name("table");
        w.byte(1);
        w.unsigned(0);
      }
    });
    section(out, 10, (w) => {
      w.unsigned(this.bodies.length);
      for (const body of this.bodies) {
        w.unsigned(body.code.length);
        w.append(body.code);
      }
    });
    if (this.named) section(out, 0, (w) => this.writeNames(w));
    return out.take();
  }

  private writeNames(w: ByteWriter): void {
    const names = new ByteWriter(256);
    names.unsigned(this.bodies.length);
    this.bodies.forEach((body, i) => {
      names.unsigned(this.imports.length + i);
      names.name(body.exportName ?? "");
    });
    w.name("name");
    w.byte(1); // function names
    w.unsigned(names.length);
    w.append(names);
  }
}

function section(out: ByteWriter, id: number, fill: (w: ByteWriter) => void): void {
  const content = new ByteWriter(256);
  fill(content);
  out.byte(id);
  out.unsigned(content.length);
  out.append(content);
}
