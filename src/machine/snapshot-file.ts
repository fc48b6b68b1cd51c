// A snapshot as bytes: "TRAPSNAP", version and length of the text as 32-bit numbers, the text, then the byte arrays that it names.
// The text is JSON in which { "$bytes": [offset, length] } stands for a Uint8Array. It is untrusted when it is read.

import { ImageError } from "../base/errors.ts";
import { type MachineSnapshot, SNAPSHOT_VERSION } from "./snapshot.ts";

const MAGIC = "TRAPSNAP";
const HEADER_BYTES = 16, PAGE_BYTES = 4096;
const BYTES = "$bytes";

export function encodeSnapshot(snapshot: MachineSnapshot): Uint8Array {
  const { ram, ...rest } = snapshot;
  const parts: Uint8Array[] = [];
  let length = 0;
  const put = (bytes: Uint8Array): { [BYTES]: [number, number] } => {
    parts.push(bytes);
    length += bytes.length;
    return { [BYTES]: [length - bytes.length, bytes.length] };
  };
  const indices = ram.flatMap((page, n) => (page ? [n] : []));
  const pages = new Uint8Array(indices.length * PAGE_BYTES);
  indices.forEach((index, n) => {
    const page = ram[index]!;
    pages.set(new Uint8Array(page.buffer, page.byteOffset, page.byteLength), n * PAGE_BYTES);
  });
  const text = new TextEncoder().encode(JSON.stringify({ ...rest, ram: { pages: ram.length, indices, bytes: pages } }, (_name, value: unknown) => (value instanceof Uint8Array ? put(value) : value)));
  const file = new Uint8Array(HEADER_BYTES + text.length + length), view = new DataView(file.buffer);
  file.set(new TextEncoder().encode(MAGIC));
  view.setUint32(8, snapshot.version, true);
  view.setUint32(12, text.length, true);
  file.set(text, HEADER_BYTES);
  let at = HEADER_BYTES + text.length;
  for (const part of parts) {
    file.set(part, at);
    at += part.length;
  }
  return file;
}

/** Throws an ImageError that says why the bytes are no snapshot that can be used. */
export function decodeSnapshot(given: Uint8Array): MachineSnapshot {
  // Node's Buffer is a Uint8Array whose slice copies nothing.
  const file = new Uint8Array(given.buffer, given.byteOffset, given.length);
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  if (file.length < HEADER_BYTES || new TextDecoder().decode(file.subarray(0, 8)) !== MAGIC) throw new ImageError("This is no snapshot: it does not begin with TRAPSNAP.");
  const version = view.getUint32(8, true), textLength = view.getUint32(12, true);
  if (version !== SNAPSHOT_VERSION) throw new ImageError(`This snapshot is of version ${version}, and ${SNAPSHOT_VERSION} is understood.`);
  const blob = file.subarray(HEADER_BYTES + textLength);
  const damaged = (): never => {
    throw new ImageError("This snapshot is damaged or cut off.");
  };
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(file.subarray(HEADER_BYTES, HEADER_BYTES + textLength)), (_name, inner: unknown) => {
      const place = typeof inner === "object" && inner !== null && BYTES in inner ? inner[BYTES] : null;
      if (place === null) return inner;
      const [offset, length] = place as [number, number];
      if (!(offset >= 0 && length >= 0 && offset + length <= blob.length)) damaged();
      return blob.slice(offset, offset + length);
    });
  } catch (error) {
    if (error instanceof ImageError) throw error;
    damaged();
  }
  return checked(value, damaged);
}

interface StoredRam {
  readonly pages: number;
  readonly indices: readonly number[];
  readonly bytes: Uint8Array;
}

function checked(value: unknown, damaged: () => never): MachineSnapshot {
  if (typeof value !== "object" || value === null) return damaged();
  const { ram, ...rest } = value as { ram?: StoredRam } & Omit<MachineSnapshot, "ram">;
  const isRecord = (inner: unknown): boolean => typeof inner === "object" && inner !== null && !Array.isArray(inner);
  const whole = isRecord(rest.processor) && isRecord(rest.processor.registers) && isRecord(rest.devices) && isRecord(rest.disks)
    && Number.isFinite(rest.retired) && Number.isFinite(rest.timeNs) && Array.isArray(rest.processor.pdptes) && rest.processor.pdptes.length === 8
    && Array.isArray(rest.processor.msrs) && /^-?\d{1,20}$/.test(rest.processor.timestampOffset);
  if (!whole || !ram || !(ram.bytes instanceof Uint8Array) || !Array.isArray(ram.indices)) return damaged();
  if (ram.pages * PAGE_BYTES !== rest.memoryBytes || ram.bytes.length !== ram.indices.length * PAGE_BYTES) return damaged();
  const pages: (Int32Array | null)[] = new Array<Int32Array | null>(ram.pages).fill(null);
  ram.indices.forEach((index: number, n: number) => {
    if (!Number.isInteger(index) || index < 0 || index >= ram.pages) damaged();
    pages[index] = new Int32Array(ram.bytes.slice(n * PAGE_BYTES, (n + 1) * PAGE_BYTES).buffer);
  });
  return { ...rest, ram: pages };
}
