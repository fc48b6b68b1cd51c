// The .xz File Format, version 1.2: streams of blocks, each packed with LZMA2 and followed by a check, and an index behind them.
//
// Not implemented: filters before LZMA2 (delta, branch conversion); dictionaries above 256 MB.

import { crc32 } from "../base/crc32.ts";
import { ImageError } from "../base/errors.ts";
import { Sha256 } from "../base/sha256.ts";
import type { ByteSource } from "../hardware/device.ts";
import { BufferedReader } from "./buffered-reader.ts";
import { crc64 } from "./crc64.ts";
import { Lzma2Decoder } from "./lzma2.ts";

export const XZ_MAGIC = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0] as const;
const FILTER_LZMA2 = 0x21;
const LARGEST_DICTIONARY = 256 << 20;
const LARGEST_INDEX = 16 << 20;
const FOOTER_BYTES = 12;
const CHECK_SIZES = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64] as const;

const bad = (what: string): ImageError => new ImageError(`The xz file is damaged or truncated: ${what}. Copy or download it again.`);

/** A running check over the bytes of a block; compares with what the file holds. */
interface Check {
  add(bytes: Uint8Array): void;
  holds(stored: Uint8Array): boolean;
}

function makeCheck(type: number): Check {
  if (type === 1) {
    let crc = 0;
    return { add: (bytes) => void (crc = crc32(bytes, crc)), holds: (stored) => new DataView(stored.buffer).getUint32(0, true) === crc };
  }
  if (type === 4) {
    let crc: readonly [number, number] = [0, 0];
    return {
      add: (bytes) => void (crc = crc64(bytes, crc)),
      holds: (stored) => new DataView(stored.buffer).getUint32(0, true) === crc[0] && new DataView(stored.buffer).getUint32(4, true) === crc[1],
    };
  }
  if (type === 10) {
    const hash = new Sha256();
    return { add: (bytes) => void hash.update(bytes), holds: (stored) => hash.digest().every((byte, i) => byte === stored[i]) };
  }
  return { add: () => {}, holds: () => true }; // none, or one that nobody has defined
}

export class XzUnpacker {
  readonly #input: BufferedReader;
  readonly #blocks: Generator<Uint8Array, void>;

  constructor(source: ByteSource) {
    this.#input = new BufferedReader(source, () => bad("it ends too early"));
    this.#blocks = this.#streams();
  }

  get bytesRead(): number {
    return this.#input.offset;
  }

  /** The next bytes, valid until the next call; null: that was all. */
  next(): Uint8Array | null {
    const step = this.#blocks.next();
    return step.done ? null : step.value;
  }

  *#streams(): Generator<Uint8Array, void> {
    do {
      yield* this.#stream();
      // Streams may follow one another, with zeros between them.
      while (!this.#input.atEnd && this.#input.peek() === 0) this.#input.bytes(Math.min(4, this.#input.left));
    } while (!this.#input.atEnd);
  }

  *#stream(): Generator<Uint8Array, void> {
    const header = this.#input.bytes(12);
    if (!XZ_MAGIC.every((byte, i) => header[i] === byte) || header[6] !== 0 || header[7] > 15) throw bad("a stream header is wrong");
    if (new DataView(header.buffer).getUint32(8, true) !== crc32(header.subarray(6, 8))) throw bad("a stream header's checksum is wrong");
    const checkType = header[7];
    const sizes: number[] = [];
    for (;;) {
      const first = this.#input.byte();
      if (first === 0) break;
      let size = 0;
      for (const bytes of this.#block(first, checkType)) {
        size += bytes.length;
        yield bytes;
      }
      sizes.push(size);
    }
    this.#index(sizes);
    const footer = this.#input.bytes(FOOTER_BYTES);
    if (footer[10] !== 0x59 || footer[11] !== 0x5a || footer[9] !== checkType) throw bad("a stream footer is wrong");
  }

  *#block(first: number, checkType: number): Generator<Uint8Array, void> {
    const header = new Uint8Array((first + 1) * 4);
    header[0] = first;
    header.set(this.#input.bytes(header.length - 1), 1);
    if (new DataView(header.buffer).getUint32(header.length - 4, true) !== crc32(header.subarray(0, -4))) throw bad("a block header's checksum is wrong");
    const decoder = new Lzma2Decoder(dictionaryOf(header));
    const check = makeCheck(checkType);
    const start = this.#input.offset;
    for (let bytes = this.#chunk(decoder); bytes; bytes = this.#chunk(decoder)) {
      check.add(bytes);
      yield bytes;
    }
    while ((this.#input.offset - start) % 4 !== 0) if (this.#input.byte() !== 0) throw bad("a block's padding is wrong");
    if (!check.holds(this.#input.bytes(CHECK_SIZES[checkType]))) throw bad("the checksum of a block is wrong");
  }

  /** One LZMA2 chunk; null at the end of the block. */
  #chunk(decoder: Lzma2Decoder): Uint8Array | null {
    const input = this.#input;
    const control = input.byte();
    if (control === 0) return null;
    if (control >= 0x80) {
      const length = ((control & 0x1f) << 16) + (input.byte() << 8) + input.byte() + 1;
      const packed = (input.byte() << 8) + input.byte() + 1;
      const reset = (control >> 5) & 3;
      const properties = reset >= 2 ? input.byte() : 0;
      return decoder.decode(input.bytes(packed), length, reset, properties);
    }
    if (control > 2) throw bad("an unknown kind of chunk");
    const length = (input.byte() << 8) + input.byte() + 1;
    return decoder.copy(input.bytes(length), control === 1);
  }

  /** The index repeats what the blocks hold. */
  #index(sizes: readonly number[]): void {
    const start = this.#input.offset - 1;
    if (this.#number() !== sizes.length) throw bad("the index has another number of blocks");
    for (const size of sizes) {
      this.#number();
      if (this.#number() !== size) throw bad("the index has another size");
    }
    while ((this.#input.offset - start) % 4 !== 0) this.#input.byte();
    this.#input.bytes(4);
  }

  #number(): number {
    return multibyte(() => this.#input.byte());
  }
}

/** Seven bits a byte, the lowest first. */
function multibyte(byte: () => number): number {
  let value = 0;
  for (let i = 0; i < 7; i++) {
    const next = byte();
    value += (next & 0x7f) * 2 ** (7 * i);
    if (next < 0x80) return value;
  }
  throw bad("a number is too large");
}

/** Reads the filters of a block header: LZMA2 alone is understood. */
function dictionaryOf(header: Uint8Array): number {
  const flags = header[1];
  let at = 2;
  const byte = (): number => {
    if (at >= header.length - 4) throw bad("a block header is too short");
    return header[at++];
  };
  const number = (): number => multibyte(byte);
  if (flags & 0x40) number();
  if (flags & 0x80) number();
  const filter = number();
  if (filter !== FILTER_LZMA2 || (flags & 3) !== 0) throw new ImageError("This xz file uses a filter besides LZMA2, which is not supported. Unpack it first: unxz FILE");
  number();
  const size = byte();
  if (size > 40) throw bad("an impossible dictionary size");
  const bytes = size === 40 ? 2 ** 32 - 1 : (2 | (size & 1)) * 2 ** ((size >> 1) + 11);
  if (bytes > LARGEST_DICTIONARY) throw new ImageError(`This xz file needs a dictionary of ${Math.round(bytes / 2 ** 20)} MB. Unpack it first: unxz FILE`);
  return bytes;
}

/** What a file of one stream unpacks to, from the index at its end; null where that does not tell. */
export function xzSize(source: ByteSource): number | null {
  if (source.size < 32) return null;
  const footer = new Uint8Array(FOOTER_BYTES);
  source.read(source.size - FOOTER_BYTES, footer);
  if (footer[10] !== 0x59 || footer[11] !== 0x5a) return null;
  const length = (new DataView(footer.buffer).getUint32(4, true) + 1) * 4;
  const start = source.size - FOOTER_BYTES - length;
  if (length > LARGEST_INDEX || start < 12) return null;
  const index = new Uint8Array(length);
  source.read(start, index);
  try {
    let at = 1, packed = 12;
    const number = (): number => multibyte(() => index[at++] ?? 0);
    let size = 0;
    for (let left = number(); left > 0 && at < length; left--) {
      packed += Math.ceil(number() / 4) * 4;
      size += number();
    }
    return index[0] === 0 && packed === start ? size : null; // else an earlier stream stands before this one
  } catch {
    return null;
  }
}
