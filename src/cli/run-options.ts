// The options of `trapscope run`, their defaults, and what each of them means.

import { UsageError } from "../base/errors.ts";
import { CPU_MODELS, type CpuModelName, DEFAULT_CPU_MODEL } from "../machine/cpu-model.ts";
import { BUILT_TECHNIQUES } from "../machine/supervisor.ts";
import { type NetworkKind, NETWORKS } from "../machine/network.ts";
import { MAXIMUM_RAM, MINIMUM_RAM } from "../machine/shared-memory.ts";
import { type BootOrder, DRIVE_NAMES, type DriveName } from "../machine/drives.ts";
import { type ClockKind, type ProcessorSet, type ProcessorSwitch, type Ring, SETTING_CHOICES, TECHNIQUE_SHADOWS, type TechniqueId, type TechniqueSetting, withSetting } from "../protocol/technique.ts";
import { KINDS, type TrapKind } from "../protocol/trap-record.ts";
import { compileFilter, FILTER_FIELDS, type TrapPredicate } from "../trace/filter.ts";
import { type GdbAddress, parseGdbAddress } from "./gdb-server.ts";
import { type AddressRange, TRACE_FIELDS, type TraceOptions } from "./trace-lines.ts";
import type { CostProfile } from "../trace/cost-model.ts";
import { COST_OPTIONS, costProfile } from "./cost.ts";
import { type Arguments, type OptionSpecs, parseChoice, parseCount, parseSeconds, parseSize } from "./arguments.ts";

export const RUN_OPTIONS = {
  fda: { value: "FILE", help: "floppy drive A" },
  fdb: { value: "FILE", help: "floppy drive B" },
  hda: { value: "FILE", help: "first hard disk; the guest's writes never reach the file" },
  hdb: { value: "FILE", help: "second hard disk" },
  hdd: { value: "FILE", help: "third hard disk, on the CD-ROM's channel" },
  cdrom: { value: "FILE", help: "CD-ROM" },
  overlay: { value: "[DRIVE=]FILE", repeats: true, help: "keep the guest's writes to the image (or to hda, fda ...) in FILE, and go on from there" },
  boot: { value: "a|c|d", help: "boot drive: floppy, hard disk, CD (default: the first of them that is there)" },
  kernel: { value: "FILE", help: "boot this Linux kernel (bzImage)" },
  initrd: { value: "FILE", help: "with this initial RAM disk" },
  append: { value: "TEXT", help: "and this command line" },
  multiboot: { value: "FILE", help: "boot this multiboot image" },
  module: { value: "FILE", repeats: true, help: "with this module; may be given again" },
  bios: { value: "FILE", help: "this BIOS ROM instead of the one built in" },
  vgabios: { value: "FILE", help: "this VGA BIOS ROM instead of the one built in" },
  memory: { value: "SIZE", help: "guest memory, 1M to 1G (default: 128M)" },
  cpu: { value: "NAME", choices: CPU_MODELS, help: `processor of the guest: ${CPU_MODELS.join(", ")} (default: ${DEFAULT_CPU_MODEL})` },
  technique: { value: "NAME", choices: BUILT_TECHNIQUES, help: `how the guest is run: ${BUILT_TECHNIQUES.join(", ")} (default: emulate)` },
  ring: { value: "1|3", help: "ring that the guest's kernel really runs in under a monitor (default: 1)" },
  set: { value: "NAME=VALUE", repeats: true, choices: SETTING_CHOICES, help: "switch of the processor that the monitor runs on, see below" },
  clock: { value: "virtual|real", help: "virtual: time derives from retired instructions, 10 ns each; real: wall time (default: virtual)" },
  rtc: { value: "ISO", help: "UTC at power-on (default: 2003-02-14T14:18:30Z; with --clock real: now)" },
  jit: { value: "on|off", help: "translate hot code to WebAssembly; nothing but the speed depends on it (default: on)" },
  "jit-stats": { help: "print at the end what was translated" },
  "jit-dump": { value: "FOLDER", help: "write at the end a file for each translated region: guest instructions, each with its WebAssembly, and counters" },
  expect: { value: "TEXT", help: "end with 0 when COM1, COM2, port E9h or a row of the text screen shows TEXT" },
  script: { value: "FILE", help: "wait for texts, type and switch as FILE says" },
  timeout: { value: "SECONDS", help: "give up after this much wall time (default: never)" },
  "max-instructions": { value: "N", help: "give up after N instructions, 50e6 for example (default: never)" },
  force: { help: "boot although there is no boot signature" },
  serial: { value: "-|FILE|none", help: "COM1: this terminal, a file, nothing (default: -, with --json: none)" },
  net: { value: "none|loopback", help: "what the network adapter is plugged into; loopback returns every frame (default: none)" },
  "net-pcap": { value: "FILE", help: "write every frame on the network into this packet file" },
  "net-replay": { value: "FILE", help: "deliver the frames of this packet file to the guest, at their times" },
  "screen-text": { help: "print the text screen at the end" },
  screen: { value: "FILE.png", help: "write the picture on the screen at the end" },
  "trap-log": { value: "FILE.jsonl", help: "write every record of the trap log" },
  log: { value: "KINDS", choices: KINDS, help: "kinds of records: exit, leak, observed (default: exit,leak)" },
  filter: { value: "EXPR", help: 'narrow what --trap-log writes, for example: insn == POPF && vcpl == 0' },
  trace: { value: "FILE", optional: true, help: "write every instruction that runs, a line each, to FILE or to stderr; slow" },
  "trace-filter": { value: "EXPR", help: "only those, for example: insn == OUT && linear in 0xf0000..0xfffff" },
  "trace-range": { value: "FROM-TO", repeats: true, help: "only linear addresses (hexadecimal) of these pages; other code runs at full speed" },
  "trace-registers": { help: "with the registers before each instruction" },
  record: { value: "FILE.trk", help: "write down all that comes from outside, so that \"trapscope replay\" repeats the run bit for bit" },
  gdb: { value: "[HOST]:PORT", help: "wait for GDB there before the first instruction; it may go back (reverse-stepi), and \"monitor help\" lists what it can ask besides" },
  ...COST_OPTIONS,
  json: { help: "print one line of JSON on stdout instead" },
  help: { help: "this text" },
} as const satisfies OptionSpecs;

/** What each switch of --set does. All are off by default. */
export const SWITCH_HELP: Readonly<Record<ProcessorSwitch, string>> = {
  umip: "CR4.UMIP: SGDT, SIDT, SLDT, STR and SMSW fault outside ring 0 (off: they show the monitor's registers)",
  tsd: "CR4.TSD: RDTSC faults outside ring 0 (off: it reads the counter)",
  vme: "CR4.VME: CLI, STI, PUSHF and POPF in virtual-8086 mode act on a virtual IF (off: they fault)",
  tricks: "descriptor tricks: user code descriptors are hidden, so that a return to ring 3 faults (off: it runs)",
};

/** What each further setting does, the default named first. */
export const SETTING_HELP: Readonly<Record<TechniqueSetting, string>> = {
  scan: "scan: strict breaks at every RET and indirect branch; lax copies them, and a jump into the middle of an instruction runs unscanned",
  lite: "lite: checked refuses a kernel that was not built with the macros; anyway runs it, and it leaks",
  shadow: "trap, int3, hybrid, translate, vtx: how shadow page tables follow the guest's. drop-all: as a TLB; cached: each CR3 keeps its own, stores to tables leave (translate's default); unsync: tables get out of step until a flush; batch: stores are emulated in a row. vtx: ept, which needs none, or, as on its first parts, all but batch, with real mode in V86 mode",
  "scan-depth": "scan: branch targets that are decoded ahead at once (32)",
  "scan-views": "scan: tlbs shows code and data of a page apart by priming the processor's two TLBs; harvard does it on hypothetical hardware, with a page directory for fetches",
  hybrid: "hybrid: user runs the guest's user code directly; kernel also runs what a scan finds clean of its kernel",
  int3: "int3: continue runs a guest that reads a breakpoint (a leak), or whose code overlaps with one; refuse gives up",
  tlb: "entries of the silicon's TLBs: unbounded, or as on a P6 (32 for code, 64 for data, 4 ways each)",
};

export interface RunOptions {
  readonly image?: string;
  readonly drives: Readonly<Partial<Record<DriveName, string>>>;
  /** Files that keep the writes, by drive; "image": of the image. */
  readonly overlays: Readonly<Partial<Record<DriveName | "image", string>>>;
  readonly boot?: BootOrder;
  readonly kernel?: string;
  readonly initrd?: string;
  readonly append?: string;
  readonly multiboot?: string;
  readonly modules: readonly string[];
  readonly bios?: string;
  readonly vgabios?: string;
  readonly memoryBytes: number;
  readonly cpu: CpuModelName;
  readonly technique: TechniqueId;
  readonly ring: Ring;
  readonly set: ProcessorSet;
  readonly clock: ClockKind;
  readonly epochMs?: number;
  readonly jit: boolean;
  readonly jitStats: boolean;
  readonly jitDump?: string;
  readonly expect?: string;
  readonly script?: string;
  readonly timeoutSeconds: number;
  readonly maxInstructions: number;
  readonly force: boolean;
  /** "-", "none" or a file name. */
  readonly serial: string;
  readonly net: NetworkKind;
  readonly netPcap?: string;
  readonly netReplay?: string;
  readonly screenText: boolean;
  readonly screen?: string;
  readonly trapLog?: string;
  readonly logKinds: readonly TrapKind[];
  readonly filter: TrapPredicate;
  readonly trace?: TraceOptions;
  readonly record?: string;
  readonly gdb?: GdbAddress;
  /** Asked for: the modelled cost of the exits is reported. */
  readonly profile?: CostProfile;
  readonly json: boolean;
}

export function runOptions(args: Arguments): RunOptions {
  if (args.positionals.length > 1) throw new UsageError(`Only one image can be given, not also ${args.positionals[1]}. More files: --hda, --fda, --cdrom ...`);
  const drives: Partial<Record<DriveName, string>> = {};
  for (const drive of DRIVE_NAMES) if (args.has(drive)) drives[drive] = args.get(drive)!;
  const boot = args.get("boot");
  const rtc = args.get("rtc"), gdb = args.get("gdb");
  const set = processorSet(args.all("set"));
  const technique = parseChoice("technique", args.get("technique") ?? "emulate", BUILT_TECHNIQUES);
  if (args.has("technique")) checkShadow(technique, set);
  return {
    ...optional("image", args.positionals[0]),
    drives,
    overlays: overlaysOf(args.all("overlay"), args.positionals.length > 0, drives),
    ...(boot === undefined ? {} : { boot: parseChoice("boot", boot, ["a", "c", "d"]) }),
    ...optional("kernel", args.get("kernel")),
    ...optional("initrd", args.get("initrd")),
    ...optional("append", args.get("append")),
    ...optional("multiboot", args.get("multiboot")),
    modules: args.all("module"),
    ...optional("bios", args.get("bios")),
    ...optional("vgabios", args.get("vgabios")),
    memoryBytes: memorySize(args.get("memory") ?? "128M"),
    cpu: parseChoice("cpu", args.get("cpu") ?? DEFAULT_CPU_MODEL, CPU_MODELS),
    technique,
    ring: Number(parseChoice("ring", args.get("ring") ?? "1", ["1", "3"])) as Ring,
    set,
    clock: parseChoice("clock", args.get("clock") ?? "virtual", ["virtual", "real"]),
    ...(rtc === undefined ? {} : { epochMs: epoch(rtc) }),
    jit: parseChoice("jit", args.get("jit") ?? "on", ["on", "off"]) === "on",
    jitStats: args.has("jit-stats"),
    ...optional("jitDump", args.get("jit-dump")),
    ...optional("expect", notEmpty("expect", args.get("expect"))),
    ...optional("script", args.get("script")),
    timeoutSeconds: args.has("timeout") ? parseSeconds("timeout", args.get("timeout")!) : Infinity,
    maxInstructions: args.has("max-instructions") ? parseCount("max-instructions", args.get("max-instructions")!) : Infinity,
    force: args.has("force"),
    serial: args.get("serial") ?? (args.has("json") ? "none" : "-"),
    net: parseChoice("net", args.get("net") ?? "none", NETWORKS),
    ...optional("netPcap", args.get("net-pcap")),
    ...optional("netReplay", args.get("net-replay")),
    screenText: args.has("screen-text"),
    ...optional("screen", args.get("screen")),
    ...optional("trapLog", args.get("trap-log")),
    logKinds: (args.get("log") ?? "exit,leak").split(",").map((kind) => parseChoice("log", kind.trim(), KINDS)),
    filter: filterOf(args.get("filter") ?? ""),
    ...traceOptions(args),
    ...recordOption(args),
    ...(gdb === undefined ? {} : { gdb: parseGdbAddress(gdb) }),
    ...(args.has("profile") || args.has("cost") ? { profile: costProfile(args) } : {}),
    json: args.has("json"),
  };
}

/** What comes past the log cannot be repeated. */
function recordOption(args: Arguments): { record?: string } {
  const record = args.get("record");
  if (record === undefined) return {};
  const other = ["gdb", "overlay", "net", "net-replay", "bios", "vgabios"].find((name) => args.has(name));
  if (other !== undefined) throw new UsageError(`--record does not go with --${other}: what comes from there is not written down.`);
  return { record };
}

function overlaysOf(values: readonly string[], hasImage: boolean, drives: RunOptions["drives"]): RunOptions["overlays"] {
  const overlays: Partial<Record<DriveName | "image", string>> = {};
  const disks = DRIVE_NAMES.filter((drive) => drive !== "cdrom" && drives[drive] !== undefined);
  for (const value of values) {
    const [, drive, file = value] = /^(fda|fdb|hda|hdb|hdd)=(.+)$/.exec(value) ?? [];
    const target = (drive as DriveName | undefined) ?? (hasImage ? "image" : disks.length === 1 ? disks[0] : undefined);
    if (!target) throw new UsageError(`--overlay ${value}: say of which drive: --overlay hda=${file}.`);
    if (target !== "image" && drives[target] === undefined) throw new UsageError(`--overlay ${value}: there is no --${target}.`);
    if (overlays[target] !== undefined) throw new UsageError(`--overlay ${value}: the ${target === "image" ? "image" : `drive ${target}`} has an overlay already.`);
    overlays[target] = file;
  }
  return overlays;
}

function optional<K extends string>(name: K, value: string | undefined): Partial<Record<K, string>> {
  return value === undefined ? {} : ({ [name]: value } as Record<K, string>);
}

function notEmpty(name: string, value: string | undefined): string | undefined {
  if (value === "") throw new UsageError(`--${name} needs a text that is not empty.`);
  return value;
}

const RAM_UNIT = 1 << 16;

function memorySize(text: string): number {
  const bytes = parseSize("memory", text);
  if (bytes < MINIMUM_RAM || bytes > MAXIMUM_RAM || bytes % RAM_UNIT !== 0) throw new UsageError(`--memory ${text}: from 1M to 1G, in steps of 64K.`);
  return bytes;
}

function epoch(text: string): number {
  const time = Date.parse(text);
  if (Number.isNaN(time)) throw new UsageError(`--rtc ${text}: give a time like 2003-02-14T14:18:30Z.`);
  return time;
}

function checkShadow(technique: TechniqueId, { shadow }: ProcessorSet): void {
  const modes = TECHNIQUE_SHADOWS[technique] ?? [];
  if (shadow === undefined || modes.includes(shadow)) return;
  throw new UsageError(modes.length === 0 ? `--set shadow=${shadow}: ${technique} has no shadow modes.` : `--set shadow=${shadow}: ${technique} has ${modes.join(", ")}.`);
}

function processorSet(settings: readonly string[]): ProcessorSet {
  let set: ProcessorSet = {};
  for (const setting of settings.flatMap((text) => text.split(","))) {
    const [, name = setting, value = ""] = /^([^=]*)=(.*)$/.exec(setting) ?? [];
    const next = withSetting(set, name, value);
    if (!next) throw new UsageError(`--set ${setting}: one of ${SETTING_CHOICES.join(", ")} is needed.`);
    set = next;
  }
  return set;
}

function traceOptions(args: Arguments): { trace?: TraceOptions } {
  const file = args.get("trace");
  if (file === undefined) {
    const lonely = ["trace-filter", "trace-range", "trace-registers"].find((name) => args.has(name));
    if (lonely !== undefined) throw new UsageError(`--${lonely} says how to trace: --trace is missing.`);
    return {};
  }
  const ranges = args.all("trace-range").map(addressRange);
  return { trace: { ...optional("file", file === "" ? undefined : file), test: filterOf(args.get("trace-filter") ?? "", "trace-filter", TRACE_FIELDS), ranges, registers: args.has("trace-registers") } };
}

function addressRange(text: string): AddressRange {
  const [, from, to] = /^(?:0x)?([0-9a-f]{1,8})-(?:0x)?([0-9a-f]{1,8})$/i.exec(text) ?? [];
  const range = { first: Number.parseInt(from ?? "", 16), last: Number.parseInt(to ?? "", 16) };
  if (!(range.first <= range.last)) throw new UsageError(`--trace-range ${text}: give two hexadecimal addresses, such as f0000-fffff.`);
  return range;
}

function filterOf(source: string, option = "filter", fields = FILTER_FIELDS): TrapPredicate {
  const result = compileFilter(source, fields);
  if (result.ok) return result.test;
  const allowed = result.allowed.length > 0 ? ` Possible here: ${result.allowed.slice(0, 24).join(", ")}.` : "";
  throw new UsageError(`--${option}, character ${result.position + 1}: ${result.message}${allowed}`);
}
