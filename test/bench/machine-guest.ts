// One measurement on trapscope's machine in a process of its own. Started by bench.mjs, which bundles it; prints one line of JSON.
//   node machine-guest.js '{"task":"lines","image":PATH,"memoryBytes":N,"until":TEXT}'
//     { lines: [{ text, seconds, cpuSeconds, instructions }], seconds }: every whole line of COM1 with the moment of its first byte,
//     by wall clock and by processor time of all threads
//   node machine-guest.js '{"task":"traps","image":PATH,"memoryBytes":N,"ring":1|3,"seconds":S}'
//     { traps, seconds, cpuSeconds, runs }: the guest under `trap` from reset to its end, again and again
import { readFileSync } from "node:fs";
import { configureBoot } from "../../src/machine/boot/boot-request.ts";
import { Machine } from "../../src/machine/machine.ts";
import type { Ring, TechniqueId } from "../../src/protocol/technique.ts";

interface LinesTask {
  readonly task: "lines";
  readonly image: string;
  readonly memoryBytes: number;
  readonly until: string;
}
interface TrapsTask {
  readonly task: "traps";
  readonly image: string;
  readonly memoryBytes: number;
  readonly ring: Ring;
  readonly seconds: number;
}

const SLICE = 2_000_000;
const seconds = (): number => performance.now() / 1000;
const cpuSeconds = (): number => (({ user, system }) => (user + system) / 1e6)(process.cpuUsage());

function createMachine(image: string, memoryBytes: number, technique: TechniqueId, ring: Ring, clock: "real" | "virtual"): Machine {
  const bytes = readFileSync(image);
  const source = { size: bytes.length, read: (offset: number, into: Uint8Array) => void into.set(bytes.subarray(offset, offset + into.length)) };
  const boot = configureBoot({ memoryBytes, image: { name: image, source } });
  return new Machine({ memoryBytes, technique, ring, set: {}, clock, wallNs: () => performance.now() * 1e6, ...boot.machine });
}

function runLines({ image, memoryBytes, until }: LinesTask): object {
  const machine = createMachine(image, memoryBytes, "emulate", 1, "real");
  const lines: { text: string; readonly seconds: number; readonly cpuSeconds: number; readonly instructions: number }[] = [];
  let open = false, done = false;
  machine.events.serial = (port, byte) => {
    if (port !== 0 || done) return;
    if (!open) lines.push({ text: "", seconds: seconds(), cpuSeconds: cpuSeconds(), instructions: machine.core.retired() });
    const line = lines.at(-1)!;
    open = byte !== 10;
    if (open && byte !== 13) line.text += String.fromCharCode(byte);
    if (open || !line.text.includes(until)) return;
    done = true;
    machine.stop();
  };
  for (;;) {
    const reason = machine.run(SLICE);
    if (done) return { lines, seconds: seconds() };
    if (reason !== "budget" && reason !== "idle") throw new Error(`${image} ended with ${reason} before ${JSON.stringify(until)}`);
  }
}

function runTraps({ image, memoryBytes, ring, seconds: wanted }: TrapsTask): object {
  const machine = createMachine(image, memoryBytes, "trap", ring, "virtual");
  let traps = 0, runs = 0;
  const start = seconds(), startCpu = cpuSeconds();
  do {
    if (runs > 0) machine.reset();
    while (machine.run(SLICE) === "budget");
    traps += machine.supervisor.counters.get("traps");
    runs++;
  } while (seconds() - start < wanted);
  return { traps, runs, seconds: seconds() - start, cpuSeconds: cpuSeconds() - startCpu };
}

const task = JSON.parse(process.argv[2]!) as LinesTask | TrapsTask;
process.stdout.write(`${JSON.stringify(task.task === "lines" ? runLines(task) : runTraps(task))}\n`);
