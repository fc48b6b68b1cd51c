import { describe, expect, it } from "vitest";
import { RingReader, RingWriter, ringBytes } from "./shared-ring.ts";

function ring(slots: number): { writer: RingWriter; reader: RingReader; put: (value: number) => void; get: (sequence: number) => number | null } {
  const buffer = new SharedArrayBuffer(ringBytes(slots, 16) + 64);
  const writer = new RingWriter(buffer, 64, slots, 16);
  const reader = new RingReader(buffer, 64);
  return {
    writer, reader,
    put(value) {
      const slot = writer.slot();
      writer.words[slot + 1] = value;
      writer.commit(slot);
    },
    get(sequence) {
      const slot = reader.slot(sequence);
      if (slot < 0) return null;
      const value = reader.words[slot + 1];
      return reader.holds(sequence, slot) ? value : null;
    },
  };
}

describe("shared ring", () => {
  it("gives back what was written, in order, and nothing that was not", () => {
    const { put, get, reader } = ring(64);
    for (let i = 0; i < 10; i++) put(100 + i);
    expect(reader.total).toBe(10);
    expect(reader.oldest).toBe(0);
    expect(get(0)).toBe(100);
    expect(get(9)).toBe(109);
    expect(get(10)).toBeNull();
  });

  it("overwrites the oldest and says which are lost", () => {
    const { put, get, reader } = ring(256);
    for (let i = 0; i < 800; i++) put(i);
    expect(get(400)).toBeNull();
    const { oldest } = reader;
    expect(oldest).toBeGreaterThan(800 - 256);
    expect(oldest).toBeLessThan(800);
    for (let i = oldest; i < 800; i++) expect(get(i)).toBe(i);
    expect(get(oldest - 1)).toBeNull();
  });

  it("notices a slot that is reused between look-up and check", () => {
    const { put, reader } = ring(64);
    for (let i = 0; i < 64; i++) put(i);
    const slot = reader.slot(20);
    expect(slot).toBeGreaterThan(0);
    for (let i = 0; i < 40; i++) put(i);
    expect(reader.holds(20, slot)).toBe(false);
  });

  it("goes on when the commit word wraps past 2^32 records", () => {
    const buffer = new ArrayBuffer(ringBytes(256, 16));
    const writer = new RingWriter(buffer, 0, 256, 16);
    Object.assign(writer, { next: 0xffff_fffe });
    for (let i = 0; i < 4; i++) writer.commit(writer.slot());
    const reader = new RingReader(buffer, 0);
    for (const sequence of [0xffff_fffe, 0xffff_ffff, 0x1_0000_0000, 0x1_0000_0001]) expect(reader.slot(sequence)).toBeGreaterThan(0);
  });
});
