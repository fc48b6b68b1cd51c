// One measurement on trapscope's machine in a process of its own. Started by bench.mjs, which bundles it; prints one line of JSON.
//   node machine-guest.js '{"task":"lines","image":PATH,"memoryBytes":N,"until":TEXT,"typed":{"after":TEXT,"text":TEXT}}'
//     { lines: [{ text, seconds, cpuSeconds, instructions }], seconds, peakRss, translations }: every whole line of COM1 with the moment
//     of its first byte, by wall clock and by processor time of all threads. `typed`: goes to COM1 when all that came from there ends with `after`
//   node machine-guest.js '{"task":"traps","image":PATH,"memoryBytes":N,"ring":1|3,"seconds":S}'
//     { traps, seconds, cpuSeconds, runs, cpuWithout: { ring, log } }: the guest under `trap` from reset to its end, again and again
//   node machine-guest.js '{"task":"exits","ring":1|3,"code":HEX,"seconds":S}'
//     { exits, cpuSeconds, seconds, cpuWithout: { ring, log } }: a loop of the code in a kernel of 32-bit protected mode under `trap`
// `cpuWithout`: processor time of the same without records in the ring, and without sites, counts and records.
import { openFile } from "../../src/cli/files.ts";
import { configureBoot } from "../../src/machine/boot/boot-request.ts";
import { setGuestRegisters } from "../../src/machine/guest-registers.ts";
import { Machine } from "../../src/machine/machine.ts";
import { TrapLog } from "../../src/monitor/trap-log.ts";
import type { Ring, TechniqueId } from "../../src/protocol/technique.ts";
import { CODE_AT, GDT_AT, IDT_AT, STACK, surroundings, TSS_AT } from "../support/trap-guest.ts";
import { KERNEL_CODE, KERNEL_DATA, TSS } from "../support/trap-model.ts";

interface LinesTask {
  readonly task: "lines";
  readonly image: string;
  readonly memoryBytes: number;
  readonly until: string;
  readonly typed?: { readonly after: string; readonly text: string };
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

const SLICE = 2_000_000, STORM = 200_000;
/** Of a small guest: before what is measured, and measured together. */
const WARM_UP_TURNS = 4, WARM_UP_RUNS = 2, RUNS = 8;
const LONGEST_SLEEP_MS = 20;
const seconds = (): number => performance.now() / 1000;
const cpuSeconds = (): number => (({ user, system }) => (user + system) / 1e6)(process.cpuUsage());

function createMachine(image: string, memoryBytes: number, technique: TechniqueId, ring: Ring, clock: "real" | "virtual"): Machine {
  const boot = configureBoot({ memoryBytes, image: openFile(image) });
  return new Machine({ memoryBytes, technique, ring, set: {}, clock, wallNs: () => performance.now() * 1e6, ...boot.machine });
}

/** Asleep as long as the guest is: a processor that is idle takes no time. */
function waitForEvent(machine: Machine): void {
  const ms = Math.min((machine.nextEventNs - machine.clock.nowNs()) / 1e6, LONGEST_SLEEP_MS);
  if (ms > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

function runLines({ image, memoryBytes, until, typed, technique = "emulate" }: LinesTask): object {
  const machine = createMachine(image, memoryBytes, technique, 1, "real");
  const lines: { text: string; readonly seconds: number; readonly cpuSeconds: number; readonly instructions: number }[] = [];
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
    done = true;
    machine.stop();
  };
  for (;;) {
    const reason = machine.run(SLICE);
    if (done) return { lines, seconds: seconds(), peakRss: process.resourceUsage().maxRSS * 1024, translations: machine.translations?.counters };
    if (reason === "idle") waitForEvent(machine);
    if (reason !== "budget" && reason !== "idle" && reason !== "break") throw new Error(`${image} ended with ${reason} before ${JSON.stringify(until)}`);
  }
}

/** The parts of the log that are left out: nothing, the records, everything. In turn, so that all meet the same machine. */
const LOGGED = ["all", "ring", "log"] as const;

const noExit = (): void => {}, noSite = (): number => 0;

/** Runs `work` with these parts of the log; its processor time and its seconds. */
function logged(machine: Machine, parts: (typeof LOGGED)[number], work: () => void): { cpu: number; wall: number } {
  const { log } = machine.supervisor;
  const { exit, site } = TrapLog.prototype;
  log.recordKinds = parts === "all" ? 7 : 0;
  log.exit = parts === "log" ? noExit : exit;
  log.site = parts === "log" ? noSite : site;
  const from = cpuSeconds(), start = seconds();
  work();
  return { cpu: cpuSeconds() - from, wall: seconds() - start };
}

function runTraps({ image, memoryBytes, ring, seconds: wanted }: TrapsTask): object {
  const machine = createMachine(image, memoryBytes, "trap", ring, "virtual");
  const cpu = { all: 0, ring: 0, log: 0 };
  let traps = 0, runs = 0, wall = 0;
  const several = (count: number): void => {
    for (let run = 0; run < count; run++) {
      machine.reset();
      while (machine.run(SLICE) === "budget");
      if (count === RUNS) traps += machine.cpu.exitCount;
    }
  };
  for (let turn = 0; turn < WARM_UP_TURNS; turn++) for (const parts of LOGGED) logged(machine, parts, () => several(WARM_UP_RUNS));
  do {
    for (const parts of LOGGED) {
      logged(machine, parts, () => several(WARM_UP_RUNS));
      const before = traps, taken = logged(machine, parts, () => several(RUNS));
      cpu[parts] += taken.cpu;
      if (parts !== "all") {
        traps = before;
        continue;
      }
      wall += taken.wall;
      runs += RUNS;
    }
  } while (wall < wanted);
  return { traps, runs, seconds: wall, cpuSeconds: cpu.all, cpuWithout: { ring: cpu.ring, log: cpu.log } };
}

/** The loop, warm. */
function stormMachine(ring: Ring, code: string): Machine {
  const machine = new Machine({ memoryBytes: 1 << 24, technique: "trap", ring, set: {}, clock: "virtual", drives: {} });
  machine.reset();
  const body = Buffer.from(code, "hex");
  const back = Buffer.from([0xeb, -(body.length + 2) & 0xff]);
  for (const [address, bytes] of [...surroundings("pm32"), [CODE_AT, Buffer.concat([body, back])] as const]) machine.physical.writeBytes(address, bytes);
  const data = { selector: KERNEL_DATA, base: 0, limit: 0xffff_ffff, access: 0xc093 };
  setGuestRegisters(machine, {
    eip: CODE_AT, esp: STACK, eflags: 2, cpl: 0, cr0: 0x31, cs: { selector: KERNEL_CODE, base: 0, limit: 0xffff_ffff, access: 0xc09b },
    ss: data, ds: data, es: data, fs: data, gs: data, gdtr: { base: GDT_AT, limit: 0x3f }, idtr: { base: IDT_AT, limit: 0x7ff },
    tr: { selector: TSS, base: TSS_AT, limit: 103, access: 0x8b }, ldtr: { selector: 0, base: 0, limit: 0, access: 0x1_0000 },
  });
  machine.run(STORM * 2);
  return machine;
}

function runExits({ ring, code, seconds: wanted }: ExitsTask): object {
  const machine = stormMachine(ring, code);
  const cpu = { all: 0, ring: 0, log: 0 };
  let exits = 0, wall = 0;
  const start = seconds();
  do {
    for (const parts of LOGGED) {
      logged(machine, parts, () => machine.run(STORM / 4));
      const before = machine.cpu.exitCount;
      const taken = logged(machine, parts, () => machine.run(STORM));
      cpu[parts] += taken.cpu;
      if (parts !== "all") continue;
      wall += taken.wall;
      exits += machine.cpu.exitCount - before;
    }
  } while (seconds() - start < wanted);
  return { exits, seconds: wall, cpuSeconds: cpu.all, cpuWithout: { ring: cpu.ring, log: cpu.log } };
}

const task = JSON.parse(process.argv[2]!) as LinesTask | TrapsTask | ExitsTask;
const result = task.task === "lines" ? runLines(task) : task.task === "traps" ? runTraps(task) : runExits(task);
process.stdout.write(`${JSON.stringify(result)}\n`);
