// A medium as a byte source: a dropped file is read lazily and synchronously, slice by slice (the block layer asks in large blocks).

import { ImageError } from "../base/errors.ts";
import type { NamedSource } from "../machine/boot/boot-request.ts";
import type { Medium } from "../protocol/commands.ts";
import { remoteSource } from "./remote-source.ts";

export interface Source {
  readonly size: number;
  read(offset: number, into: Uint8Array): void;
}

/** A medium by its name, with the files that came with it. */
export function mediumFile({ beside, ...medium }: Medium): NamedSource {
  const sibling = (name: string): Source | null => {
    const found = beside?.find((own) => own.name === name);
    return found ? mediumSource(found) : null;
  };
  return { name: medium.name, source: mediumSource(medium), ...(beside ? { sibling } : {}) };
}

export function mediumSource(medium: Medium): Source {
  const { data, name } = medium;
  if (data instanceof Uint8Array) {
    return { size: data.length, read: (offset, into) => into.set(data.subarray(offset, offset + into.length)) };
  }
  if ("url" in data) return remoteSource(data);
  const blob = data as Blob;
  const reader = new FileReaderSync();
  return {
    size: blob.size,
    read(offset, into) {
      let bytes: ArrayBuffer;
      try {
        bytes = reader.readAsArrayBuffer(blob.slice(offset, offset + into.length));
      } catch {
        throw new ImageError(`${name} can no longer be read: it was moved, changed or removed. Drop it again.`);
      }
      if (bytes.byteLength < into.length) throw new ImageError(`${name} ends before byte ${offset + into.length}. Drop it again.`);
      into.set(new Uint8Array(bytes));
    },
  };
}
