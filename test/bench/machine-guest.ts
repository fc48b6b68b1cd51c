// One measurement on trapscope's machine in a process of its own. Started by bench.mjs, which bundles it; prints one line of JSON.
//   node machine-guest.js '{"task":"lines","image":PATH,"memoryBytes":N,"until":TEXT,"typed":{"after":TEXT,"text":TEXT},"minutes":N}', or "kernel", "initrd" and "append" for the image
//     { lines: [{ text, seconds, cpuSeconds, instructions }], seconds, peakRss, translations }: every whole line of COM1 with the moment
//     of its first byte, by wall clock and by processor time of all threads. `typed`: goes to COM1 when all that came from there ends with `after`.
//     `minutes`: ends at the first line with `until` behind so much time; such lines tell the memory of the process in bytes, too
//   node machine-guest.js '{"task":"traps","image":PATH,"memoryBytes":N,"ring":1|3,"seconds":S}'
//     the guest under `trap` from reset to its end, again and again
//   node machine-guest.js '{"task":"exits","ring":1|3,"code":HEX,"seconds":S}'
//     a loop of the code in a kernel of 32-bit protected mode under `trap`
// Both: { traps, turns, seconds, cpuSeconds, fastestCpuSeconds, logShare }: traps of a turn, processor time of the median turn and of the fastest one,
// and the share of the trap log in the samples of another so many seconds.
//   node machine-guest.js '{"task":"log","marks":[N, ...]}'
//     [{ exits, nsPerExit, rss }]: a loop of exits up to each of these counts
//   node machine-guest.js '{"task":"footprint","functions":N,"instructions":N}'
//     { codeBytes, mips, rss }: so many functions of 33 instructions in turn
import { readFileSync } from "node:fs";
import { Session } from "node:inspector";
import { fileURLToPath } from "node:url";
import { openFile } from "../../src/cli/files.ts";
import { configureBoot } from "../../src/machine/boot/boot-request.ts";
import { setGuestRegisters } from "../../src/machine/guest-registers.ts";
import { Machine } from "../../src/machine/machine.ts";
import type { Ring, TechniqueId } from "../../src/protocol/technique.ts";
import { CODE_AT, GDT_AT, IDT_AT, STACK, surroundings, TSS_AT } from "../support/trap-guest.ts";
import { KERNEL_CODE, KERNEL_DATA, TSS } from "../support/trap-model.ts";

interface LinesTask {
  readonly task: "lines";
  /** A disk, or a kernel. */
  readonly image?: string;
  readonly kernel?: string;
  readonly initrd?: string;
  readonly append?: string;
  readonly memoryBytes: number;
  readonly until: string;
  readonly typed?: { readonly after: string; readonly text: string };
  readonly minutes?: number;
  readonly technique?: TechniqueId;
}
interface TrapsTask {
  readonly task: "traps";
  readonly image: string;
  readonly memoryBytes: number;
  readonly ring: Ring;
  readonly seconds: number;
}
interface ExitsTask {
  readonly task: "exits";
  readonly ring: Ring;
  readonly code: string;
  readonly seconds: number;
}

interface LogTask {
  readonly task: "log";
  /** Exits after which one looks. */
  readonly marks: readonly number[];
}
interface FootprintTask {
  readonly task: "footprint";
  readonly functions: number;
  readonly instructions: number;
}

/** Instructions of a slice, and of a turn of a loop of exits. */
const SLICE = 2_000_000, STORM = 30_000;
/** Of a small guest, and instructions of a loop of exits: before what is measured. */
const WARM_UP_RUNS = 24, WARM_UP = 1_000_000;
const LONGEST_SLEEP_MS = 20;
/** Behind the video memory and ROMs; what it stores lies behind it. */
const LARGE_CODE_AT = 0x20_0000;
const seconds = (): number => performance.now() / 1000;
const cpuSeconds = (): number => (({ user, system }) => (user + system) / 1e6)(process.cpuUsage());

type Media = Pick<LinesTask, "image" | "kernel" | "initrd" | "append">;

function createMachine({ image, kernel, initrd, append }: Media, memoryBytes: number, technique: TechniqueId, ring: Ring, clock: "real" | "virtual"): Machine {
  const boot = configureBoot({
    memoryBytes, ...(image === undefined ? {} : { image: openFile(image) }), ...(kernel === undefined ? {} : { kernel: openFile(kernel) }),
    ...(initrd === undefined ? {} : { initrd: openFile(initrd) }), ...(append === undefined ? {} : { append }),
  });
  return new Machine({ memoryBytes, technique, ring, set: {}, clock, wallNs: () => performance.now() * 1e6, ...boot.machine });
}

/** Asleep as long as the guest is: a processor that is idle takes no time. */
function waitForEvent(machine: Machine): void {
  const ms = Math.min((machine.nextEventNs - machine.clock.nowNs()) / 1e6, LONGEST_SLEEP_MS);
  if (ms > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

function runLines({ memoryBytes, until, typed, technique = "emulate", minutes = 0, ...media }: LinesTask): object {
  const machine = createMachine(media, memoryBytes, technique, 1, "real");
  const lines: { text: string; readonly seconds: number; readonly cpuSeconds: number; readonly instructions: number; rss?: number }[] = [];
  let open = false, done = false, hasTyped = false;
  machine.events.serial = (port, byte) => {
    if (port !== 0 || done) return;
    if (!open) lines.push({ text: "", seconds: seconds(), cpuSeconds: cpuSeconds(), instructions: machine.core.retired() });
    const line = lines.at(-1)!;
    open = byte !== 10;
    if (open && byte !== 13) line.text += String.fromCharCode(byte);
    if (typed && !hasTyped && line.text.endsWith(typed.after)) {
      hasTyped = true;
      for (const character of typed.text) machine.pc.serial[0].receive(character.charCodeAt(0));
    }
    if (open || !line.text.includes(until)) return;
    line.rss = process.memoryUsage.rss();
    if (seconds() < minutes * 60) return;
    done = true;
    machine.stop();
  };
  for (;;) {
    const reason = machine.run(SLICE);
    if (done) return { lines, seconds: seconds(), peakRss: process.resourceUsage().maxRSS * 1024, translations: machine.translations?.counters };
    if (reason === "idle") waitForEvent(machine);
    if (reason !== "budget" && reason !== "idle" && reason !== "break") throw new Error(`${media.image ?? media.kernel} ended with ${reason} before ${JSON.stringify(until)}`);
  }
}

/** Files of the log; of the recorder, all but what reads and decodes the instruction, which the monitor needs anyway. */
const LOG_FILES = /^src\/(monitor\/(trap-log|trap-sites|counters|exit-record)|base\/shared-ring)\.ts$/;
const NOT_THE_LOGS = "begin";
const SAMPLE_MICROSECONDS = 100;

/** Which source file each line of this bundle came from: esbuild puts its path above it. */
function fileOfLine(): (line: number) => string {
  const files: string[] = [];
  let file = "";
  for (const line of readFileSync(fileURLToPath(import.meta.url), "utf8").split("\n")) files.push((file = /^\/\/ (\S+\.ts)$/.exec(line)?.[1] ?? file));
  return (line) => files[line] ?? "";
}

/** The share of the log's own code, whatever it has been inlined into, in the samples of a processor that does `work`. No part of it is left out for that. */
function logShare(work: () => void): number {
  const session = new Session();
  session.connect();
  session.post("Profiler.enable");
  session.post("Profiler.setSamplingInterval", { interval: SAMPLE_MICROSECONDS });
  session.post("Profiler.start");
  work();
  let own = 0, all = 0;
  const fileOf = fileOfLine();
  session.post("Profiler.stop", (error, result) => {
    if (error) throw error;
    for (const { callFrame, hitCount = 0 } of result.profile.nodes) {
      const { functionName, lineNumber, url } = callFrame;
      if (functionName === "(idle)") continue;
      all += hitCount;
      if (url !== "" && LOG_FILES.test(fileOf(lineNumber)) && functionName !== NOT_THE_LOGS) own += hitCount;
    }
  });
  session.disconnect();
  return own / all;
}

/** Runs `work` again and again for so many seconds of processor time: processor time of each turn, in order, and wall-clock time. */
function measured(wanted: number, work: () => void): { readonly cpu: number[]; readonly wall: number } {
  const cpu: number[] = [], start = seconds(), began = cpuSeconds();
  do {
    const from = cpuSeconds();
    work();
    cpu.push(cpuSeconds() - from);
  } while (cpuSeconds() - began < wanted);
  return { cpu: cpu.sort((a, b) => a - b), wall: seconds() - start };
}

/** What a turn of so many traps took: of the one in the middle, of the fastest one, and in all. */
function rates(traps: number, { cpu, wall }: ReturnType<typeof measured>): object {
  return { traps, turns: cpu.length, seconds: wall, cpuSeconds: cpu[cpu.length >> 1], fastestCpuSeconds: cpu[0] };
}

function runTraps({ image, memoryBytes, ring, seconds: wanted }: TrapsTask): object {
  const machine = createMachine({ image }, memoryBytes, "trap", ring, "virtual");
  const run = (): void => {
    machine.reset();
    while (machine.run(SLICE) === "budget");
  };
  for (let n = 0; n < WARM_UP_RUNS; n++) run();
  const taken = measured(wanted, run);
  return { ...rates(machine.cpu.exitCount, taken), logShare: logShare(() => measured(wanted, run)) };
}

/** A kernel of 32-bit protected mode, about to run this code. */
function kernelMachine(technique: TechniqueId, ring: Ring, code: Uint8Array, at = CODE_AT): Machine {
  const machine = new Machine({ memoryBytes: 1 << 24, technique, ring, set: {}, clock: "virtual", drives: {} });
  machine.reset();
  for (const [address, bytes] of [...surroundings("pm32"), [at, code] as const]) machine.physical.writeBytes(address, bytes);
  const data = { selector: KERNEL_DATA, base: 0, limit: 0xffff_ffff, access: 0xc093 };
  setGuestRegisters(machine, {
    eip: at, esp: STACK, eflags: 2, cpl: 0, cr0: 0x31, cs: { selector: KERNEL_CODE, base: 0, limit: 0xffff_ffff, access: 0xc09b },
    ss: data, ds: data, es: data, fs: data, gs: data, gdtr: { base: GDT_AT, limit: 0x3f }, idtr: { base: IDT_AT, limit: 0x7ff },
    tr: { selector: TSS, base: TSS_AT, limit: 103, access: 0x8b }, ldtr: { selector: 0, base: 0, limit: 0, access: 0x1_0000 },
  });
  return machine;
}

/** The loop, warm. */
function stormMachine(ring: Ring, code: string): Machine {
  const body = Buffer.from(code, "hex");
  const machine = kernelMachine("trap", ring, Buffer.concat([body, Buffer.from([0xeb, -(body.length + 2) & 0xff])]));
  machine.run(WARM_UP);
  return machine;
}

function runExits({ ring, code, seconds: wanted }: ExitsTask): object {
  const machine = stormMachine(ring, code);
  const run = (): void => void machine.run(STORM);
  const before = machine.cpu.exitCount;
  run();
  const exits = machine.cpu.exitCount - before;
  const taken = measured(wanted, run);
  return { ...rates(exits, taken), logShare: logShare(() => measured(wanted, run)) };
}

/** What an exit takes between one mark and the next, and the memory of the process there. */
function runLog({ marks }: LogTask): object {
  const machine = stormMachine(1, "fafb");
  return marks.map((mark) => {
    const exits = machine.cpu.exitCount, from = cpuSeconds();
    while (machine.cpu.exitCount < mark) machine.run(STORM);
    return { exits: machine.cpu.exitCount, nsPerExit: ((cpuSeconds() - from) * 1e9) / (machine.cpu.exitCount - exits), rss: process.memoryUsage.rss() };
  });
}

/** add eax,ebx / xor edx,eax / mov [esi+disp],edx / rol ebx,3, eight times, and ret: no two functions store to the same place */
function exampleFunction(number: number): Buffer {
  const part = Buffer.from("01d8 31c2 8996 00000000 c1c303".replaceAll(" ", ""), "hex");
  part.writeUInt32LE(((number * 64) & 0xf_ffff) + 0xa0_0000, 6);
  return Buffer.concat([...Array.from({ length: 8 }, () => part), Buffer.from([0xc3])]);
}

/** So many functions, called one after the other, over and over. */
function runFootprint({ functions, instructions }: FootprintTask): object {
  const bodies = Array.from({ length: functions }, (_, n) => exampleFunction(n));
  const calls = Buffer.alloc(functions * 5 + 5, 0xe8);
  let at = calls.length;
  bodies.forEach((body, n) => {
    calls.writeInt32LE(at - (n * 5 + 5), n * 5 + 1);
    at += body.length;
  });
  calls[functions * 5] = 0xe9;
  calls.writeInt32LE(-calls.length, functions * 5 + 1);
  const machine = kernelMachine("emulate", 1, Buffer.concat([calls, ...bodies]), LARGE_CODE_AT);
  const from = cpuSeconds();
  while (machine.core.retired() < instructions) machine.run(SLICE);
  return { codeBytes: at, mips: machine.core.retired() / 1e6 / (cpuSeconds() - from), rss: process.memoryUsage.rss() };
}

const task = JSON.parse(process.argv[2]!) as LinesTask | TrapsTask | ExitsTask | LogTask | FootprintTask;
function result(): object {
  switch (task.task) {
    case "lines": return runLines(task);
    case "traps": return runTraps(task);
    case "exits": return runExits(task);
    case "log": return runLog(task);
    case "footprint": return runFootprint(task);
  }
}
process.stdout.write(`${JSON.stringify(result())}\n`);
