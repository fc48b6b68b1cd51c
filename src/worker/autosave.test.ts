import { expect, it } from "vitest";
import type { RandomFile } from "../block/overlay-file.ts";
import { Autosave } from "./autosave.ts";

/** A file whose program dies after so many writes and truncations. */
class Fragile implements RandomFile {
  bytes = new Uint8Array(0);
  left = Infinity;
  size(): number {
    return this.bytes.length;
  }
  read(at: number, into: Uint8Array): void {
    into.set(this.bytes.subarray(at, at + into.length));
  }
  write(at: number, from: Uint8Array): void {
    this.#spend();
    this.bytes.set(from, at);
  }
  truncate(size: number): void {
    this.#spend();
    const bytes = new Uint8Array(size);
    bytes.set(this.bytes.subarray(0, size));
    this.bytes = bytes;
  }
  flush(): void {}
  close(): void {}
  #spend(): void {
    if (this.left-- <= 0) throw new Error("died");
  }
}

it("gives back what was saved last, whatever its size", () => {
  const files = [new Fragile(), new Fragile()];
  expect(new Autosave(files).saved).toBeNull();
  expect(new Autosave(files).read()).toBeNull();
  [7, 3, 9, 0].forEach((length, time) => {
    new Autosave(files).save(new Uint8Array(length).fill(time + 1), 1000 + time);
    const again = new Autosave(files);
    expect([again.saved, again.read()]).toEqual([{ savedMs: 1000 + time, bytes: length }, new Uint8Array(length).fill(time + 1)]);
  });
});

it("has the one before where it dies in the middle", () => {
  for (let steps = 0; steps < 4; steps++) {
    const files = [new Fragile(), new Fragile()];
    for (const [time, length] of [[1, 5], [2, 6]] as const) new Autosave(files).save(new Uint8Array(length), time);
    for (const file of files) file.left = steps;
    expect(() => new Autosave(files).save(new Uint8Array(6), 3)).toThrow("died");
    expect(new Autosave(files).saved).toEqual({ savedMs: 2, bytes: 6 });
  }
});
