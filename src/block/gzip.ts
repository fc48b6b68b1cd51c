// gzip: RFC 1952, "GZIP file format specification version 4.3". Several members may follow one another.

import { Gunzip } from "fflate";
import { crc32 } from "../base/crc32.ts";
import { ImageError } from "../base/errors.ts";
import type { ByteSource } from "../hardware/device.ts";

/** Deflate unpacks at most 1032 times as much: 16 MB a step. */
const STEP_BYTES = 16 * 1024;
const TRAILER_BYTES = 8;
const SHORTEST = 18;

const bad = (what: string): ImageError => new ImageError(`The gzip file is damaged or truncated: ${what}. Copy or download it again.`);

export class GzipUnpacker {
  readonly #source: ByteSource;
  readonly #stream = new Gunzip();
  readonly #ready: Uint8Array[] = [];
  #crc = 0;
  /** Of the member, modulo 2^32 as its trailer has it. */
  #length = 0;
  bytesRead = 0;

  constructor(source: ByteSource) {
    if (source.size < SHORTEST) throw bad("it is too short");
    this.#source = source;
    this.#stream.ondata = (bytes) => {
      if (bytes.length === 0) return;
      this.#crc = crc32(bytes, this.#crc);
      this.#length = (this.#length + bytes.length) >>> 0;
      this.#ready.push(bytes);
    };
    this.#stream.onmember = (offset) => {
      this.#checkMember(offset);
      this.#crc = 0;
      this.#length = 0;
    };
  }

  /** The next bytes; null: that was all, and the checksum is right. */
  next(): Uint8Array | null {
    while (this.#ready.length === 0) {
      const left = this.#source.size - this.bytesRead;
      if (left === 0) {
        this.#checkMember(this.#source.size);
        return null;
      }
      const packed = new Uint8Array(Math.min(STEP_BYTES, left));
      this.#source.read(this.bytesRead, packed);
      this.bytesRead += packed.length;
      try {
        this.#stream.push(packed, false);
      } catch (error) {
        if (error instanceof ImageError) throw error;
        throw bad("its data cannot be unpacked");
      }
    }
    return this.#ready.shift() as Uint8Array;
  }

  /** A member that ends at `end`: what is before that are its CRC and length. */
  #checkMember(end: number): void {
    const trailer = new Uint8Array(TRAILER_BYTES);
    this.#source.read(end - TRAILER_BYTES, trailer);
    const view = new DataView(trailer.buffer);
    if (view.getUint32(0, true) !== this.#crc || view.getUint32(4, true) !== this.#length) throw bad("its checksum is wrong");
  }
}

/** What it unpacks to, modulo 4 GB, if it has one member: a good guess for a progress bar. */
export function gzipSizeHint(source: ByteSource): number {
  const length = new Uint8Array(4);
  source.read(source.size - 4, length);
  return new DataView(length.buffer).getUint32(0, true);
}
