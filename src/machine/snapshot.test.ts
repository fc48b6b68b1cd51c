import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { ImageError, UsageError } from "../base/errors.ts";
import { MemoryBlocks } from "../block/block-store.ts";
import type { Overlay } from "../block/overlay.ts";
import { builtinBios, builtinVgaBios } from "../firmware/bios.ts";
import type { BlockDevice } from "../hardware/device.ts";
import type { TechniqueId } from "../protocol/technique.ts";
import { Machine } from "./machine.ts";
import { MachineRam } from "./ram-pages.ts";
import { History } from "./replay.ts";
import { restoreSnapshot, stateHash, takeSnapshot } from "./snapshot.ts";
import { decodeSnapshot, encodeSnapshot } from "./snapshot-file.ts";

const image = (name: string): Uint8Array => new Uint8Array(readFileSync(fileURLToPath(new URL(`../../public/guests/${name}.img`, import.meta.url))));
const source = (bytes: Uint8Array) => ({ size: bytes.length, read: (offset: number, into: Uint8Array) => into.set(bytes.subarray(offset, offset + into.length)) });

function booting(guest = "tour", technique: TechniqueId = "emulate", memoryBytes = 4 << 20, clock: "virtual" | "paced" = "virtual"): Machine {
  return new Machine({
    memoryBytes, technique, ring: 1, set: {}, clock, firmware: { bios: builtinBios(), vgabios: builtinVgaBios() }, drives: { fda: source(image(guest)) },
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
      const machine = booting("priv", technique), ram = new MachineRam(machine);
      machine.run(instructions);
      const file = encodeSnapshot(takeSnapshot(machine, ram)), before = stateHash(machine);
      const other = booting("priv", technique);
      restoreSnapshot(other, new MachineRam(other), decodeSnapshot(file));
      expect(stateHash(other)).toBe(before);
      const [own, others] = [serialOf(machine), serialOf(other)];
      for (let n = 0; n < 4; n++) {
        expect([other.run(20_000), stateHash(other)]).toEqual([machine.run(20_000), stateHash(machine)]);
      }
      expect(others()).toBe(own());
    },
  );

  it("is refused by another machine, which goes on", () => {
    const machine = booting(), ram = new MachineRam(machine);
    machine.run(10_000);
    const snapshot = takeSnapshot(machine, ram);
    const other = booting("tour", "emulate", 8 << 20);
    other.run(10_000);
    const before = stateHash(other);
    expect(() => restoreSnapshot(other, new MachineRam(other), snapshot)).toThrow(/4194304 bytes of memory/);
    expect(stateHash(other)).toBe(before);
    for (const [part, why] of [[{ version: 99 }, /version 99/], [{ cpu: "486" }, /a 486/], [{ firmware: "x" }, /other ROMs/], [{ devices: {} }, /other devices/], [{ disks: {} }, /other drives/]] as const) {
      expect(() => restoreSnapshot(machine, ram, { ...snapshot, ...part })).toThrow(why);
    }
  });

  it("is read from a Node Buffer at an odd place in a larger one", () => {
    const machine = booting();
    machine.run(10_000);
    const before = stateHash(machine), file = encodeSnapshot(takeSnapshot(machine, new MachineRam(machine)));
    const larger = Buffer.alloc(file.length + 7);
    larger.set(file, 3);
    machine.run(10_000);
    restoreSnapshot(machine, new MachineRam(machine), decodeSnapshot(larger.subarray(3, 3 + file.length)));
    expect(stateHash(machine)).toBe(before);
  });

  it("is refused where its bytes are damaged", () => {
    const machine = booting();
    const file = encodeSnapshot(takeSnapshot(machine, new MachineRam(machine)));
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
        restoreSnapshot(machine, new MachineRam(machine), decodeSnapshot(bad));
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
      if (n % 50 === 0) hashes.set(history.now, stateHash(machine));
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
    history.input({ kind: "serial", port: 0, bytes: [0x41] });
    history.run(60_000);
    const end = stateHash(machine);
    history.goTo(45_000);
    history.goTo(110_000);
    expect(stateHash(machine)).toBe(end);
    history.goTo(50_000);
    history.run(60_000);
    expect(stateHash(machine)).toBe(end);
    history.goTo(49_999);
    history.input({ kind: "serial", port: 0, bytes: [0x42] });
    history.run(60_001); // another past
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

  /** A wall clock by which the host takes 20 ns for an instruction, and now and then loses 30 ms. */
  const unsteadyWall = (): (() => number) => {
    let now = 0, looks = 0;
    return () => (now += looks++ % 7 === 6 ? 30e6 : 400_000);
  };

  it("keeps near a wall clock, and repeats what it did", () => {
    const machine = booting("tour", "emulate", 4 << 20, "paced"), wall = unsteadyWall();
    const history = new History(machine, { every: 60_000, wallNs: wall });
    const end = (): void => {
      while (history.now < 400_000) if (history.run(20_000) === "idle") history.input({ kind: "key", code: "Enter", down: true });
    };
    end();
    const hash = stateHash(machine), { now } = history, guest = machine.clock.nowNs();
    expect(Math.abs(wall() - guest)).toBeLessThan(100e6);
    for (const back of [1000, 250_000]) {
      history.goTo(now - back);
      history.goTo(now);
      expect([back, stateHash(machine), machine.clock.nowNs()]).toEqual([back, hash, guest]);
    }
    // The same in another machine, from the log alone.
    const inputs = history.inputs!, other = booting("tour", "emulate", 4 << 20, "paced");
    const again = History.replayed(other, inputs, now);
    expect([again.now, stateHash(other)]).toEqual([now, hash]);
  });

  it.each(["trap", "int3", "vtx"] as const)("takes the trap log along under %s", (technique) => {
    const machine = booting("popf", technique), { log } = machine.supervisor;
    const history = new History(machine, { every: 70_000 });
    const at = (): object => ({ hash: stateHash(machine), total: log.total, traps: log.counters.get("traps"), leaks: log.counters.get("leaks"), sites: log.counters.get("sites") });
    history.run(150_000);
    const middle = at();
    history.run(62_200);
    const end = at();
    history.goTo(150_000);
    expect(at()).toEqual(middle);
    history.goTo(212_200);
    expect(at()).toEqual(end);
    expect(machine.cpu.exitCount).toBe(log.counters.get("traps") + log.counters.get("callouts"));
  });

  it("finds the last write of an address, and the last use of a port", () => {
    const machine = booting();
    const history = new History(machine, { every: 20_000 });
    history.run(130_000);
    const port = { kind: "port", access: "write", first: 0x60, last: 0x60 } as const;
    expect(history.runBackTo([port])?.breakpoint).toEqual(port);
    const at = history.now;
    expect(at).toBeLessThan(130_000);
    machine.breakpoints.add(port);
    expect([history.run(1000), history.now]).toEqual(["breakpoint", at + 1]);
    machine.breakpoints.clear();
    // Where a run has just stopped, the way back stops again.
    history.goTo(at);
    const execute = { kind: "execute", linear: machine.breakpoints.place } as const;
    history.goTo(at - 1);
    machine.breakpoints.add(execute);
    expect([history.run(10), history.now]).toEqual(["breakpoint", at]);
    machine.breakpoints.clear();
    history.run(1, true);
    expect([history.runBackTo([execute])?.linear, history.now]).toEqual([execute.linear, at]);
    const esp = machine.cpu.state.gpr(4) >>> 0, stack = (machine.cpu.v.context.segmentBase(2) + (esp & 0xffff) - 2) >>> 0;
    history.goTo(130_000);
    expect(history.runBackTo([{ kind: "data", access: "write", linear: stack, bytes: 2 }])?.linear).toBe(stack);
    const before = machine.memory.read(stack, 2), wrote = history.now;
    machine.breakpoints.add({ kind: "data", access: "write", linear: stack, bytes: 2 });
    expect([history.run(10), history.now - wrote, before.length]).toEqual(["breakpoint", 1, 2]);
  });

  it("keeps within its room, and the disks with the rest", () => {
    const machine = booting("priv");
    const history = new History(machine, { every: 5_000, keep: 8, bytes: 4 << 20 });
    history.run(200_000);
    expect(history.view).toMatchObject({ oldest: 0, now: 200_000, newest: 200_000, checkpoints: 8 });
    expect(history.view.bytes).toBeLessThan(4 << 20);
    const hash = stateHash(machine), disk = machine.pc.writableMedia.get("fda")!;
    disk.write(3, new Uint8Array(512).fill(7));
    history.mark();
    disk.write(3, new Uint8Array(512).fill(9));
    disk.write(40, new Uint8Array(512).fill(9));
    history.goTo(199_000);
    expect([disk.held(0), disk.held(5)]).toEqual([null, null]);
    history.goTo(200_000);
    expect([disk.held(0)?.[3 * 512], stateHash(machine) === hash]).toEqual([7, false]);
  });

  it("has in its drives what was in them then, with what was written to it", () => {
    const machine = booting("priv"), { pc } = machine, history = new History(machine, { every: 5_000, keep: 64 });
    const medium = (): Overlay => pc.mediumFor("fda", { ...source(new Uint8Array(1_474_560)), store: new MemoryBlocks() }) as Overlay;
    const put = (own: BlockDevice | null): void => history.input({ kind: "medium", drive: "fda", medium: own });
    const first = pc.mediumIn("fda"), [a, b] = [medium(), medium()];
    expect(pc.mediumFor("fda", { ...source(new Uint8Array(0)), store: a.store })).toBe(a);
    /** As the guest would, with a checkpoint behind it. */
    const write = (own: Overlay, value: number): number => {
      own.write(3, new Uint8Array(512).fill(value));
      history.mark();
      history.run(1_000);
      return history.now - 500;
    };
    history.run(20_000);
    put(a);
    const one = write(a, 1);
    put(b);
    const two = write(b, 2);
    put(null);
    const three = write(a, 3), hash = stateHash(machine);
    const shown = (): unknown[] => [pc.mediumIn("fda"), a.held(0)?.[3 * 512] ?? null, b.held(0)?.[3 * 512] ?? null];
    for (const [at, expected] of [[19_000, [first, null, null]], [two, [b, 1, 2]], [one, [a, 1, null]], [three, [null, 3, 2]], [19_999, [first, null, null]]] as const) {
      history.goTo(at);
      expect([at, ...shown()]).toEqual([at, ...expected]);
    }
    history.goTo(three + 500);
    expect(stateHash(machine)).toBe(hash);
    expect(history.inputs?.flatMap(({ retired, input }) => (input.kind === "medium" ? [[retired, input.medium]] : []))).toEqual([[20_000, a], [21_000, b], [22_000, null]]);
  });

  it("wants the virtual clock, and a past", () => {
    const machine = new Machine({ memoryBytes: 1 << 20, technique: "emulate", ring: 1, set: {}, clock: "real", wallNs: () => 0, drives: {} });
    expect(() => new History(machine)).toThrow(UsageError);
    const history = new History(booting());
    expect(history.stepBack()).toBe(false);
    expect(() => history.goTo(-1)).toThrow(UsageError);
  });
});
