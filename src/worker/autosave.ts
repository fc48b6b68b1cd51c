// The machine as it was when its tab was left, in the browser's storage, by the images that it is made of. Two files in turn, so that one is
// always whole, and both open as long as the machine is there: the worker of a tab that closes gets no second turn to wait for anything in.
//
// A file: u32 a sign that it is whole, u32 0 | f64 when it was saved, ms since 1970 | f64 bytes that follow | a snapshot.

import type { RandomFile } from "../block/overlay-file.ts";

const HEADER_BYTES = 24;
const WHOLE = 0x5053_5254;

export interface Autosaved {
  readonly savedMs: number;
  readonly bytes: number;
}

export class Autosave {
  readonly #files: readonly RandomFile[];

  constructor(files: readonly RandomFile[]) {
    this.#files = files;
  }

  /** What was saved last; null: nothing. */
  get saved(): Autosaved | null {
    return this.#newest()?.saved ?? null;
  }

  save(bytes: Uint8Array, savedMs: number): void {
    const kept = this.#newest()?.file, file = this.#files.find((own) => own !== kept)!;
    const header = new DataView(new ArrayBuffer(HEADER_BYTES));
    file.truncate(0);
    file.truncate(HEADER_BYTES + bytes.length);
    file.write(HEADER_BYTES, bytes);
    file.flush();
    header.setUint32(0, WHOLE, true);
    header.setFloat64(8, savedMs, true);
    header.setFloat64(16, bytes.length, true);
    file.write(0, new Uint8Array(header.buffer));
    file.flush();
  }

  read(): Uint8Array | null {
    const newest = this.#newest();
    if (!newest) return null;
    const bytes = new Uint8Array(newest.saved.bytes);
    newest.file.read(HEADER_BYTES, bytes);
    return bytes;
  }

  close(): void {
    for (const file of this.#files) file.close();
  }

  #newest(): { readonly file: RandomFile; readonly saved: Autosaved } | null {
    const all = this.#files.flatMap((file) => {
      const saved = savedIn(file);
      return saved ? [{ file, saved }] : [];
    });
    return all.reduce<(typeof all)[number] | null>((newest, own) => (newest && newest.saved.savedMs >= own.saved.savedMs ? newest : own), null);
  }
}

function savedIn(file: RandomFile): Autosaved | null {
  const size = file.size(), bytes = new Uint8Array(HEADER_BYTES), header = new DataView(bytes.buffer);
  if (size < HEADER_BYTES) return null;
  file.read(0, bytes);
  const length = header.getFloat64(16, true);
  return header.getUint32(0, true) === WHOLE && size === HEADER_BYTES + length ? { savedMs: header.getFloat64(8, true), bytes: length } : null;
}
