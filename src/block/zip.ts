// ZIP: PKWARE's APPNOTE.TXT. Files that are stored or deflated, with ZIP64 sizes.
//
// Not implemented: encryption, archives over several files, other methods: the entry is refused by its name.

import { Inflate } from "fflate";
import { crc32 } from "../base/crc32.ts";
import { ImageError } from "../base/errors.ts";
import type { ByteSource } from "../hardware/device.ts";
import { asciiOf } from "./image-identity.ts";

const END_SIGNATURE = 0x0605_4b50;
const END_BYTES = 22;
const LONGEST_COMMENT = 65_535;
const END64_SIGNATURE = 0x0606_4b50;
const LOCATOR64_SIGNATURE = 0x0706_4b50;
const ENTRY_SIGNATURE = 0x0201_4b50;
const ENTRY_BYTES = 46;
const LOCAL_SIGNATURE = 0x0403_4b50;
const LOCAL_BYTES = 30;
const LARGEST_DIRECTORY = 16 << 20;
const STORED = 0, DEFLATED = 8;
const FLAG_ENCRYPTED = 1;
const EXTRA_ZIP64 = 1;
const ALL_ONES = 0xffff_ffff;
const STEP_BYTES = 16 * 1024;

const bad = (what: string): ImageError => new ImageError(`The ZIP archive is damaged or truncated: ${what}. Copy or download it again.`);

export interface ZipEntry {
  readonly name: string;
  readonly size: number;
  readonly packedBytes: number;
  readonly method: number;
  readonly flags: number;
  readonly crc: number;
  readonly headerOffset: number;
}

function part(source: ByteSource, offset: number, length: number): DataView {
  if (offset < 0 || offset + length > source.size) throw bad("it ends too early");
  const bytes = new Uint8Array(length);
  source.read(offset, bytes);
  return new DataView(bytes.buffer);
}

const u64 = (view: DataView, at: number): number => view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;

/** The files of the archive, without its folders. */
export function zipEntries(source: ByteSource): ZipEntry[] {
  const { offset, length } = findDirectory(source);
  if (length > LARGEST_DIRECTORY) throw bad(`a directory of ${length} bytes`);
  const directory = part(source, offset, length);
  const entries: ZipEntry[] = [];
  for (let at = 0; at + ENTRY_BYTES <= length && directory.getUint32(at, true) === ENTRY_SIGNATURE; ) {
    const nameBytes = directory.getUint16(at + 28, true), extraBytes = directory.getUint16(at + 30, true), commentBytes = directory.getUint16(at + 32, true);
    const next = at + ENTRY_BYTES + nameBytes + extraBytes + commentBytes;
    if (next > length) throw bad("its directory is cut off");
    const name = asciiOf(new Uint8Array(directory.buffer), at + ENTRY_BYTES, nameBytes);
    const sizes = widened(directory, at, at + ENTRY_BYTES + nameBytes, extraBytes);
    const entry = { name, ...sizes, method: directory.getUint16(at + 10, true), flags: directory.getUint16(at + 8, true), crc: directory.getUint32(at + 16, true) };
    if (!name.endsWith("/")) entries.push(entry);
    at = next;
  }
  return entries;
}

/** ZIP64 puts what does not fit into 32 bits into an extra field, in a fixed order. */
function widened(view: DataView, at: number, extra: number, extraBytes: number): Pick<ZipEntry, "size" | "packedBytes" | "headerOffset"> {
  let packedBytes = view.getUint32(at + 20, true), size = view.getUint32(at + 24, true), headerOffset = view.getUint32(at + 42, true);
  for (let field = extra; field + 4 <= extra + extraBytes; field += 4 + view.getUint16(field + 2, true)) {
    if (view.getUint16(field, true) !== EXTRA_ZIP64) continue;
    const end = Math.min(field + 4 + view.getUint16(field + 2, true), extra + extraBytes);
    let from = field + 4;
    const take = (value: number): number => {
      if (value !== ALL_ONES || from + 8 > end) return value;
      from += 8;
      return u64(view, from - 8);
    };
    size = take(size);
    packedBytes = take(packedBytes);
    headerOffset = take(headerOffset);
  }
  return { size, packedBytes, headerOffset };
}

function findDirectory(source: ByteSource): { offset: number; length: number } {
  const tail = part(source, Math.max(0, source.size - END_BYTES - LONGEST_COMMENT), Math.min(source.size, END_BYTES + LONGEST_COMMENT));
  let at = tail.byteLength - END_BYTES;
  while (at >= 0 && tail.getUint32(at, true) !== END_SIGNATURE) at--;
  if (at < 0) throw bad("its directory is missing");
  const offset = tail.getUint32(at + 16, true), length = tail.getUint32(at + 12, true);
  if (offset !== ALL_ONES && length !== ALL_ONES) return { offset, length };
  if (at < 20 || tail.getUint32(at - 20, true) !== LOCATOR64_SIGNATURE) throw bad("its ZIP64 directory is missing");
  const end64 = part(source, u64(tail, at - 20 + 8), 56);
  if (end64.getUint32(0, true) !== END64_SIGNATURE) throw bad("its ZIP64 directory is missing");
  return { offset: u64(end64, 48), length: u64(end64, 40) };
}

/** Where the entry's bytes begin; throws where they cannot be unpacked. */
export function entryData(source: ByteSource, entry: ZipEntry): number {
  if (entry.flags & FLAG_ENCRYPTED) throw new ImageError(`${entry.name} in the archive is encrypted. Unpack it first: unzip FILE`);
  if (entry.method !== STORED && entry.method !== DEFLATED) throw new ImageError(`${entry.name} in the archive is packed by method ${entry.method}, which is not supported. Unpack it first: unzip FILE`);
  const local = part(source, entry.headerOffset, LOCAL_BYTES);
  if (local.getUint32(0, true) !== LOCAL_SIGNATURE) throw bad(`the header of ${entry.name} is missing`);
  const start = entry.headerOffset + LOCAL_BYTES + local.getUint16(26, true) + local.getUint16(28, true);
  if (start + entry.packedBytes > source.size || (entry.method === STORED && entry.size !== entry.packedBytes)) throw bad(`${entry.name} is cut off`);
  return start;
}

/** An entry that needs no unpacking lies in the file as it is. */
export function isStored(entry: ZipEntry): boolean {
  return entry.method === STORED;
}

export class ZipUnpacker {
  readonly #source: ByteSource;
  readonly #entry: ZipEntry;
  readonly #start: number;
  readonly #ready: Uint8Array[] = [];
  readonly #inflate: Inflate;
  #crc = 0;
  #length = 0;
  bytesRead = 0;

  constructor(source: ByteSource, entry: ZipEntry) {
    this.#source = source;
    this.#entry = entry;
    this.#start = entryData(source, entry);
    this.#inflate = new Inflate((bytes) => this.#add(bytes));
  }

  #add(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#crc = crc32(bytes, this.#crc);
    this.#length += bytes.length;
    if (this.#length > this.#entry.size) throw bad(`${this.#entry.name} is longer than the directory says`);
    this.#ready.push(bytes);
  }

  next(): Uint8Array | null {
    while (this.#ready.length === 0) {
      const left = this.#entry.packedBytes - this.bytesRead;
      if (left === 0) {
        if (this.#length !== this.#entry.size || this.#crc !== this.#entry.crc) throw bad(`the checksum of ${this.#entry.name} is wrong`);
        return null;
      }
      const packed = new Uint8Array(Math.min(STEP_BYTES, left));
      this.#source.read(this.#start + this.bytesRead, packed);
      this.bytesRead += packed.length;
      if (isStored(this.#entry)) this.#add(packed);
      else this.#push(packed, left === packed.length);
    }
    return this.#ready.shift() as Uint8Array;
  }

  #push(packed: Uint8Array, last: boolean): void {
    try {
      this.#inflate.push(packed, last);
    } catch (error) {
      if (error instanceof ImageError) throw error;
      throw bad(`${this.#entry.name} cannot be unpacked`);
    }
  }
}
