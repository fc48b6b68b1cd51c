import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { ImageError, UsageError } from "../base/errors.ts";
import { builtinBios, builtinVgaBios } from "../firmware/bios.ts";
import type { TechniqueId } from "../protocol/technique.ts";
import { Machine } from "./machine.ts";
import { MachineRam } from "./ram-pages.ts";
import { History } from "./replay.ts";
import { restoreSnapshot, stateHash, takeSnapshot } from "./snapshot.ts";
import { decodeSnapshot, encodeSnapshot } from "./snapshot-file.ts";

const image = (name: string): Uint8Array => new Uint8Array(readFileSync(fileURLToPath(new URL(`../../public/guests/${name}.img`, import.meta.url))));
const source = (bytes: Uint8Array) => ({ size: bytes.length, read: (offset: number, into: Uint8Array) => into.set(bytes.subarray(offset, offset + into.length)) });

function booting(guest = "tour", technique: TechniqueId = "emulate", memoryBytes = 4 << 20): Machine {
  return new Machine({
    memoryBytes, technique, ring: 1, set: {}, clock: "virtual", firmware: { bios: builtinBios(), vgabios: builtinVgaBios() }, drives: { fda: source(image(guest)) },
  });
}
const serialOf = (machine: Machine): (() => string) => {
  let text = "";
  machine.events.serial = (_port, byte) => { text += String.fromCharCode(byte); };
  return () => text;
};

describe("a snapshot", () => {
  it.each([["emulate", 150_000], ["emulate", 230_001], ["trap", 150_000], ["trap", 226_000]] as const)(
    "under %s after %i instructions goes on in another machine as in its own", (technique, instructions) => {
      const machine = booting("priv", technique), ram = new MachineRam(machine.map);
      machine.run(instructions);
      const before = stateHash(machine);
      const file = encodeSnapshot(takeSnapshot(machine, ram));
      const other = booting("priv", technique);
      restoreSnapshot(other, new MachineRam(other.map), decodeSnapshot(file));
      expect(stateHash(other)).toBe(before);
      const [own, others] = [serialOf(machine), serialOf(other)];
      for (let n = 0; n < 4; n++) {
        expect([other.run(20_000), stateHash(other)]).toEqual([machine.run(20_000), stateHash(machine)]);
      }
      expect(others()).toBe(own());
    },
  );

  it("is refused by another machine, which goes on", () => {
    const machine = booting(), ram = new MachineRam(machine.map);
    machine.run(10_000);
    const snapshot = takeSnapshot(machine, ram);
    const other = booting("tour", "emulate", 8 << 20);
    other.run(10_000);
    const before = stateHash(other);
    expect(() => restoreSnapshot(other, new MachineRam(other.map), snapshot)).toThrow(/4194304 bytes of memory/);
    expect(stateHash(other)).toBe(before);
    for (const [part, why] of [[{ version: 2 }, /version 2/], [{ cpu: "486" }, /a 486/], [{ firmware: "x" }, /other ROMs/], [{ devices: {} }, /other devices/], [{ disks: {} }, /other drives/]] as const) {
      expect(() => restoreSnapshot(machine, ram, { ...snapshot, ...part })).toThrow(why);
    }
  });

  it("is refused where its bytes are damaged", () => {
    const machine = booting();
    const file = encodeSnapshot(takeSnapshot(machine, new MachineRam(machine.map)));
    expect(() => decodeSnapshot(Uint8Array.of(1, 2, 3))).toThrow(/does not begin with TRAPSNAP/);
    expect(() => decodeSnapshot(file.subarray(0, file.length - 1))).toThrow(ImageError);
    expect(() => decodeSnapshot(file.subarray(0, 1000))).toThrow(/damaged/);
    const newer = file.slice();
    newer[8] = 9;
    expect(() => decodeSnapshot(newer)).toThrow(/version 9/);
    for (let at = 20; at < 4000; at += 41) {
      const bad = file.slice();
      bad[at]! ^= 0x15;
      try {
        restoreSnapshot(machine, new MachineRam(machine.map), decodeSnapshot(bad));
      } catch (error) {
        expect(error).toBeInstanceOf(ImageError);
      }
    }
  });
});

describe("back and forward", () => {
  it("gives the same state 1,000 instructions back, at every step, and forward again", () => {
    const machine = booting();
    const history = new History(machine, { every: 20_000 });
    history.run(140_000);
    const hashes = new Map<number, string>();
    for (let n = 0; n < 1000; n++) {
      hashes.set(history.now, stateHash(machine));
      history.run(1);
    }
    const end = stateHash(machine);
    for (let n = 0; n < 1000; n += 50) {
      history.goTo(history.now - 50);
      expect(stateHash(machine)).toBe(hashes.get(history.now));
    }
    expect([history.stepBack(), history.now]).toEqual([true, 139_999]);
    history.goTo(141_000);
    expect(stateHash(machine)).toBe(end);
  });

  it("sees input from outside again", () => {
    const machine = booting();
    const history = new History(machine, { every: 30_000 });
    history.run(50_000);
    history.input(() => machine.pc.serial[0].receive(0x41));
    history.run(60_000);
    const end = stateHash(machine);
    history.goTo(45_000);
    history.goTo(110_000);
    expect(stateHash(machine)).toBe(end);
    history.goTo(50_000);
    history.run(60_000);
    expect(stateHash(machine)).toBe(end);
    history.goTo(49_999);
    history.run(60_001); // another past, without the input
    expect(stateHash(machine)).not.toBe(end);
  });

  it("runs back to the last instant at which something held", () => {
    const machine = booting();
    const history = new History(machine, { every: 20_000 });
    history.run(100_000);
    const eip = machine.cpu.state.eip;
    const visits: number[] = [];
    history.goTo(0);
    machine.breakpoints.setTracer({ covers: () => true, before: () => { if (machine.cpu.state.eip === eip) visits.push(history.now); return false; } });
    history.run(100_000);
    machine.breakpoints.setTracer(null);
    const last = visits.filter((at) => at < 100_000).at(-1);
    expect([history.runBack(() => machine.cpu.state.eip === eip), history.now]).toEqual(last === undefined ? [false, 0] : [true, last]);
    expect([history.runBack(() => false), history.now]).toEqual([false, 0]);
  });

  it("wants the virtual clock, and a past", () => {
    const machine = new Machine({ memoryBytes: 1 << 20, technique: "emulate", ring: 1, set: {}, clock: "real", wallNs: () => 0, drives: {} });
    expect(() => new History(machine)).toThrow(UsageError);
    const history = new History(booting());
    expect(history.stepBack()).toBe(false);
    expect(() => history.goTo(-1)).toThrow(UsageError);
  });
});
