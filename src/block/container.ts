// What all disk container formats share: a header, and a table that says where each cluster of the disk lies in the file.
// A file is untrusted: every size and offset is checked before it is believed, and what is held in memory is bounded.

import { ImageError } from "../base/errors.ts";
import type { ByteSource } from "../hardware/device.ts";

/** A disk inside a file. */
export interface Container {
  /** "VHD, dynamic". */
  readonly format: string;
  /** Why it was taken for one: "`conectix` in the last 512 bytes". */
  readonly evidence: string;
  /** The disk, as a raw image would show it. */
  readonly disk: ByteSource;
}

/** The disk's own answer to a cluster without data. */
export const HOLE = -1;

/** Tables above this are refused: no real image needs them. */
const LARGEST_TABLE = 64 << 20;
/** 64 TB. */
const LARGEST_DISK = 2 ** 46;

export function damaged(format: string, what: string): ImageError {
  return new ImageError(`This ${format} image is damaged: ${what}. Copy it again, or check it with qemu-img check.`);
}

export function truncated(format: string): ImageError {
  return new ImageError(`This ${format} image is truncated: data that its tables name are past the end of the file. Copy or download it again.`);
}

export function refused(what: string, whatToDo: string): ImageError {
  return new ImageError(`${what} ${whatToDo}`);
}

/** What qemu-img makes of formats and features that are not read here. */
export function convertAdvice(format: string): string {
  return `Convert it: qemu-img convert -f ${format} -O raw FILE disk.img`;
}

export function checkDiskSize(format: string, bytes: number): void {
  if (!(bytes > 0 && bytes <= LARGEST_DISK)) throw damaged(format, `it claims a disk of ${bytes} bytes`);
}

/** A part of the file; throws where it is not whole. */
export function readPart(format: string, source: ByteSource, offset: number, length: number): DataView {
  if (length > LARGEST_TABLE) throw damaged(format, `a table of ${length} bytes is larger than any image needs`);
  if (!(offset >= 0) || offset + length > source.size) throw truncated(format);
  const bytes = new Uint8Array(length);
  source.read(offset, bytes);
  return new DataView(bytes.buffer);
}

/** A 64-bit number; what no file can reach becomes Infinity. */
export function wide(view: DataView, offset: number, littleEndian: boolean): number {
  const value = view.getBigUint64(offset, littleEndian);
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? Infinity : Number(value);
}

export interface ClusterMap {
  readonly format: string;
  readonly size: number;
  readonly clusterBytes: number;
  /** Where the cluster's bytes begin in the file, or `HOLE`. */
  locate(cluster: number): number;
  /** The cluster's bytes where they do not lie in the file as they are; undefined: they do. */
  unpack?(cluster: number): Uint8Array | undefined;
}

/** A disk by its map. What the file lacks of the last cluster is zeros, as writers cut a file there. */
export function mappedDisk(source: ByteSource, map: ClusterMap): ByteSource {
  const { clusterBytes, size } = map;
  return {
    size,
    read(offset, into) {
      if (offset < 0 || offset + into.length > size) throw new RangeError(`read of ${into.length} bytes at ${offset} of a disk of ${size}`);
      for (let done = 0; done < into.length; ) {
        const at = offset + done;
        const cluster = Math.floor(at / clusterBytes);
        const within = at - cluster * clusterBytes;
        const part = into.subarray(done, done + Math.min(into.length - done, clusterBytes - within));
        const unpacked = map.unpack?.(cluster);
        if (unpacked) part.set(unpacked.subarray(within, within + part.length));
        else readCluster(source, map, map.locate(cluster), within, part);
        done += part.length;
      }
    },
  };
}

function readCluster(source: ByteSource, map: ClusterMap, start: number, within: number, part: Uint8Array): void {
  if (start === HOLE) {
    part.fill(0);
    return;
  }
  if (start >= source.size) throw truncated(map.format);
  const held = Math.max(0, Math.min(part.length, source.size - start - within));
  if (held > 0) source.read(start + within, part.subarray(0, held));
  part.fill(0, held);
}

/** The most recently used values, at most `limit` of them. */
export class Recent<T> {
  readonly #limit: number;
  readonly #values = new Map<number, T>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  get(key: number, make: () => T): T {
    let value = this.#values.get(key);
    if (value === undefined) {
      value = make();
      if (this.#values.size >= this.#limit) this.#values.delete(this.#values.keys().next().value as number);
    } else {
      this.#values.delete(key);
    }
    this.#values.set(key, value);
    return value;
  }
}
