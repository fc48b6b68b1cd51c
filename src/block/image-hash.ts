// The name under which an overlay finds its image again: a hash of the disk. A large disk is not read for that: places spread over
// it are, and its size.

import { Sha256 } from "../base/sha256.ts";
import type { ByteSource } from "../hardware/device.ts";

/** Up to here all of the disk counts. */
const WHOLE_HASH_BYTES = 16 << 20;
const SAMPLES = 128;
const SAMPLE_BYTES = 64 * 1024;

export interface ImageHash {
  /** "sha256:..." of the whole disk, or "samples:..." of its size and 128 places of it. */
  readonly hash: string;
  /** Two disks may have the same hash and differ somewhere between the places. */
  readonly sampled: boolean;
}

export function hashImage(source: ByteSource): ImageHash {
  const sampled = source.size > WHOLE_HASH_BYTES;
  const hash = new Sha256();
  if (sampled) {
    const size = new Uint8Array(8);
    new DataView(size.buffer).setFloat64(0, source.size);
    hash.update(size);
  }
  const part = new Uint8Array(SAMPLE_BYTES);
  const count = sampled ? SAMPLES : Math.ceil(source.size / SAMPLE_BYTES);
  const last = source.size - SAMPLE_BYTES;
  for (let i = 0; i < count; i++) {
    const at = sampled ? Math.floor(((last / (count - 1)) * i) / 512) * 512 : i * SAMPLE_BYTES;
    const bytes = part.subarray(0, Math.min(SAMPLE_BYTES, source.size - at));
    source.read(at, bytes);
    hash.update(bytes);
  }
  return { hash: `${sampled ? "samples" : "sha256"}:${hash.hex()}`, sampled };
}
