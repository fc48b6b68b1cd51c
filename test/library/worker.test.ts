// createMachineWorker: the machine of createMachine behind promises, as it is built for people.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createMachine, type MachineWorker, type TrapscopeMachine, type WorkerOptions } from "../../src/index.ts";
import { bootSector, cliStiGuest, countingGuest, echoGuest, haltGuest, livelockGuest, loopGuest } from "../cli/boot-sectors.ts";

type Library = typeof import("../../src/index.ts");
let built: string, library: Library;
const open: MachineWorker[] = [];

beforeAll(async () => {
  built = mkdtempSync(join("node_modules", ".trapscope-"));
  const { status, stderr } = spawnSync(process.execPath, ["scripts/build-node.mjs", built], { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  library = (await import(join(process.cwd(), built, "index.js"))) as Library;
});
afterAll(() => rmSync(built, { recursive: true }));
afterEach(async () => {
  for (const machine of open.splice(0)) await machine.dispose();
});

async function worker(options: WorkerOptions): Promise<MachineWorker> {
  const machine = await library.createMachineWorker({ memoryBytes: 4 << 20, ...options });
  open.push(machine);
  return machine;
}

/** Nothing that the other has is missing. */
type Missing = Exclude<keyof TrapscopeMachine, keyof MachineWorker>;
const complete: [Missing] extends [never] ? true : Missing = true;

describe("a machine in a worker", () => {
  it("has every call of the other and comes to the same state", async () => {
    expect(complete).toBe(true);
    const image = cliStiGuest(100), here = await createMachine({ memoryBytes: 4 << 20, technique: "trap", drives: { fda: image } });
    const there = await worker({ technique: "trap", drives: { fda: image } });
    for (const instructions of [1000, 123_457, 5e6]) {
      expect(await there.run({ instructions })).toEqual(here.run({ instructions }));
      expect(await there.stateHash()).toBe(here.stateHash());
    }
    expect(await there.step()).toEqual(here.step());
    const { guestSeconds, ...counts } = here.counters();
    expect(await there.counters()).toMatchObject(counts);
    expect(await there.state()).toEqual(here.state());
    expect(await there.memory.read(0x7c00, 512)).toEqual(here.memory.read(0x7c00, 512));
    expect((await there.traps(10)).slice(0, 3)).toEqual(here.traps(10).slice(0, 3));
    here.restore(await there.snapshot());
  });

  it("tells every record of the log, more than its ring holds", async () => {
    // mov di,120 / outer: mov cx,250 / inner: cli / sti / loop inner / dec di / jnz outer / exit 0: 60,000 exits, and those of the firmware
    const machine = await worker({ technique: "trap", drives: { fda: bootSector("bf7800 b9fa00 fa fb e2fc 4f 75f6 b000 e6f4") } });
    const sequence: number[] = [];
    machine.on("record", ({ seq }) => void sequence.push(seq));
    await machine.run({ instructions: 5e6 });
    const { traps, leaks, observed } = await machine.counters();
    expect(sequence.length).toBeGreaterThan(65_536);
    expect(sequence.length).toBeGreaterThanOrEqual(traps.total + leaks.total);
    expect(sequence.length).toBeLessThanOrEqual(traps.total + leaks.total + observed.total);
    expect(sequence.every((seq, n) => seq === n)).toBe(true);
  });

  it("takes input while it runs, and ends when it is told to", async () => {
    const machine = await worker({ drives: { fda: echoGuest() } });
    let heard = "";
    machine.onSerial(0, (byte) => void (heard += String.fromCharCode(byte)));
    const run = machine.run({ instructions: 1e15 });
    await machine.serialWrite(0, new TextEncoder().encode("ab."));
    expect([(await run).reason, heard]).toEqual(["exit-port", "ab."]);
    const endless = await worker({ drives: { fda: loopGuest() } });
    const outcomes: string[] = [];
    endless.on("stop", ({ reason }) => void outcomes.push(reason));
    const running = endless.run({ instructions: 1e15 });
    expect((await endless.counters()).instructions).toBeGreaterThan(0);
    await endless.stop();
    expect([(await running).reason, outcomes]).toEqual(["breakpoint", ["breakpoint"]]);
    expect(await endless.run({ instructions: 5 })).toMatchObject({ reason: "budget", instructions: 5 });
  });

  it("goes on where nothing retires for long", async () => {
    // From the top of 48 MB down to 100000h, byte by byte: std / rep stosb / hlt
    const machine = await worker({ memoryBytes: 48 << 20, firmware: "none" });
    await machine.memory.write(0x1000, Uint8Array.of(0xfd, 0xf3, 0xaa, 0xf4));
    const flat = { selector: 16, base: 0, limit: 0xffff_ffff, access: 0xc093 };
    await machine.setState({ cr0: 0x11, cs: { ...flat, selector: 8, access: 0xc09b }, es: flat, ss: flat, eip: 0x1000, edi: (48 << 20) - 1, ecx: 47 << 20 });
    expect(await machine.run({ instructions: 100 })).toMatchObject({ reason: "halted", instructions: 3 });
    const livelock = await worker({ drives: { fda: livelockGuest() } });
    const running = livelock.run({ instructions: 1e15 });
    await new Promise((resolve) => setTimeout(resolve, 500));
    await livelock.stop();
    expect((await running).reason).toBe("breakpoint");
  });

  it("waits for ports and media that its program has, also slow ones", async () => {
    const disk = new Uint8Array(4 << 20), asked: number[] = [];
    disk.set(countingGuest());
    disk.set([0x80, 0, 2, 0, 0x83, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0], 446);
    const machine = await worker({
      drives: {
        hda: {
          size: disk.length,
          async read(offset, into) {
            await new Promise((resolve) => setTimeout(resolve, 1));
            asked.push(offset);
            into.set(disk.subarray(offset, offset + into.length));
          },
        },
        cdrom: new Blob([new Uint8Array(65_536)]),
      },
    });
    let text = "";
    await machine.onPort({ first: 0xe9, last: 0xe9, write: (_port, _width, value) => void (text += String.fromCharCode(value)) });
    await machine.run({ instructions: 20e6 });
    expect([text, asked.length > 0]).toEqual(["1", true]);
  });

  it("stops in the instruction whose hook says so, and goes on without the hook", async () => {
    const machine = await worker({ firmware: "none" });
    await machine.memory.write(0x1000, Uint8Array.of(0xe4, 0xe9, 0x40, 0xeb, 0xfb)); // in al,0E9h / inc ax / jmp
    await machine.setState({ eip: 0x1000, eax: 0, cs: { selector: 0, base: 0, limit: 0xffff, access: 0x9b } });
    const remove = await machine.onPort({
      first: 0xe9, last: 0xe9,
      read() {
        void machine.stop();
        return 0x41;
      },
    });
    expect(await machine.run({ instructions: 100 })).toMatchObject({ reason: "breakpoint", instructions: 1 });
    expect((await machine.state()).eax).toBe(0x41);
    await remove();
    await machine.run({ instructions: 3 });
    expect((await machine.state()).eax & 0xff).toBe(0xff);
    await machine.onPort({
      first: 0xe9, last: 0xe9,
      read() {
        throw new Error("no such sensor");
      },
    });
    await expect(machine.run({ instructions: 10 })).rejects.toThrow("no such sensor");
  });

  it("says what cannot be done in the same typed errors", async () => {
    await expect(worker({ drives: { fda: new Uint8Array(0) } })).rejects.toBeInstanceOf(library.ImageError);
    await expect(worker({ memoryBytes: 1000 })).rejects.toBeInstanceOf(library.UsageError);
    await expect(worker({ worker: "./no-such-script.js" })).rejects.toThrow(/worker failed/);
    const machine = await worker({ drives: { fda: haltGuest() } });
    await expect(machine.key("Hyper")).rejects.toBeInstanceOf(library.UsageError);
    await expect(machine.restore(new Uint8Array(3))).rejects.toBeInstanceOf(library.ImageError);
    await expect(machine.run({ instructions: 0 })).rejects.toBeInstanceOf(library.UsageError);
    await machine.insert("cdrom", new Blob([new Uint8Array(65_536)]));
    const unanswered = expect(machine.state()).rejects.toThrow("disposed");
    await machine.dispose();
    await unanswered;
    await expect(machine.state()).rejects.toThrow("disposed");
  });
});
