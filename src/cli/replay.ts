// `trapscope replay RUN.trk [IMAGE...]`: a recorded run once more, and whether it came to the same.

import { readFileSync } from "node:fs";
import { ImageError, UsageError } from "../base/errors.ts";
import type { NamedSource } from "../machine/boot/boot-request.ts";
import { recordedMachine } from "../machine/recorded-machine.ts";
import { decodeRecording, endDifferences, endOf, type RecordedFile, recordedFile } from "../machine/recording.ts";
import { History, WayLost } from "../machine/replay.ts";
import { KINDS } from "../protocol/trap-record.ts";
import { compileFilter } from "../trace/filter.ts";
import { parseChoice } from "./arguments.ts";
import { argumentsOf, type CommandSpec } from "./command.ts";
import { bundledGuests, openFile, openImage } from "./files.ts";
import { EXIT_CODES } from "./outcome.ts";
import { TrapLogFile } from "./trap-log-file.ts";

export const REPLAY: CommandSpec = {
  name: "replay", operands: "RUN.trk [IMAGE...] [options]", takes: "recording",
  summary: "a recorded run once more: does it come to the same?",
  about: `Repeats a run that "run --record" or the page has written down, bit for bit. The images that it was recorded with are found among those
named here, and among the bundled guests, by their hashes.`,
  options: {
    "trap-log": { value: "FILE.jsonl", help: "write every record of the trap log" },
    log: { value: "KINDS", choices: KINDS, help: "kinds of records: exit, leak, observed (default: exit,leak)" },
    serial: { value: "-|none", help: "what the guest sends on COM1 goes to stdout, or nowhere (default: none)" },
    json: { help: "print one line of JSON on stdout instead" },
    help: { help: "this text" },
  },
  examples: [
    ["Does it end in the same state?", "replay boot.trk disk.img"],
    ["The log of a run that the page recorded", "replay session.trk disk.img --trap-log session.jsonl"],
  ],
  outcomes: [["the same state and the same counts", 0], "image-refused", "divergence"],
};

export function replay(argv: readonly string[]): number {
  const args = argumentsOf(REPLAY, argv);
  if (!args) return 0;
  const [path, ...images] = args.positionals;
  if (path === undefined) throw new UsageError("Say which recording: trapscope replay RUN.trk [IMAGE...].");
  const recording = decodeRecording(new Uint8Array(readFileSync(openFile(path).name)));
  const given = images.map(openImage);
  const { machine, inputs } = recordedMachine(recording, recording.files.map((file) => find(file, given)));
  const { log, probes } = machine.supervisor;
  const kinds = (args.get("log") ?? "exit,leak").split(",").map((kind) => parseChoice("log", kind.trim(), KINDS));
  log.recordKinds = kinds.reduce((bits, kind) => bits | (1 << KINDS.indexOf(kind)), 0);
  probes.recordObserved = kinds.includes("observed");
  if (args.get("serial") === "-") machine.events.serial = (port, byte) => void (port === 0 && process.stdout.write(Uint8Array.of(byte)));
  const { technique, ring, set } = recording.machine, everything = compileFilter("");
  const file = args.get("trap-log"), image = recording.files[0]?.hash;
  const trapLog = file === undefined || !everything.ok ? null : new TrapLogFile(file, machine, { technique, ring, set, ...(image ? { image } : {}) }, everything.test);
  let differences: string[];
  try {
    History.replayed(machine, inputs, recording.end.retired);
    differences = endDifferences(recording.end, endOf(machine));
  } catch (error) {
    if (!(error instanceof WayLost)) throw error;
    differences = [error.message];
  } finally {
    trapLog?.close();
  }
  const outcome = differences.length === 0 ? "expected" : "divergence", { retired, traps, leaks } = endOf(machine);
  const reason = differences.length === 0 ? `The same after ${retired} instructions: ${traps} traps, ${leaks} leaks, state ${recording.end.state}.` : `It went another way: ${differences.join(", ")}.`;
  if (args.has("json")) process.stdout.write(`${JSON.stringify({ version: 1, outcome, reason, exitCode: EXIT_CODES[outcome], instructions: retired, differences })}\n`);
  process.stderr.write(`trapscope: ${reason}\n`);
  return EXIT_CODES[outcome];
}

function find(file: RecordedFile, given: readonly NamedSource[]): NamedSource {
  const same = (source: NamedSource): boolean => source.source.size === file.bytes && recordedFile(file.role, source).hash === file.hash;
  const own = given.find(same) ?? bundledGuests().map(({ id }) => openImage(id)).find(same);
  if (own) return own;
  const wrong = given.find(({ name }) => name.endsWith(file.name));
  throw new ImageError(wrong ? `${wrong.name} is another file than the one that was recorded as ${file.role} (${file.bytes} bytes, ${file.hash}).` : `The run was recorded with ${file.name} (${file.role}, ${file.bytes} bytes, ${file.hash}). Name that file behind the recording.`);
}
