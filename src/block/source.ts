// Byte sources that need no file: bytes in memory, and a part of another source.

import type { ByteSource } from "../hardware/device.ts";

function checkRange(size: number, offset: number, length: number): void {
  if (offset < 0 || offset + length > size) {
    throw new RangeError(`read of ${length} bytes at ${offset} outside a source of ${size} bytes`);
  }
}

/** A source over bytes that the caller already holds; they are not copied. */
export function memorySource(bytes: Uint8Array): ByteSource {
  return {
    size: bytes.length,
    read(offset, into) {
      checkRange(bytes.length, offset, into.length);
      into.set(bytes.subarray(offset, offset + into.length));
    },
  };
}

/** `length` bytes of `source` from `start` as a source of their own (a partition, a boot image inside a CD). */
export function sliceSource(source: ByteSource, start: number, length: number): ByteSource {
  checkRange(source.size, start, length);
  return {
    size: length,
    read(offset, into) {
      checkRange(length, offset, into.length);
      source.read(start + offset, into);
    },
  };
}
