// `--trace`: the instructions that run, a line each. Columns are fixed, so that grep, cut and awk work on them.
//
// The processor runs instructions of the traced pages one by one and asks before each (core.ts, InstructionWatch); other code is not
// slowed down. Under a monitor it is the guest's own mode and ring that are shown.

import { CPL, CR0, CS, EFLAGS_SYSTEM, EFLAGS_VM } from "../isa/state-layout.ts";
import { guestRegisters } from "../machine/guest-registers.ts";
import type { Machine } from "../machine/machine.ts";
import { FILTER_FIELDS, type FilterFields, type TrapPredicate } from "../trace/filter.ts";
import { explainInstruction } from "../trace/instruction.ts";
import { hex, hexBytes, type TrapFields, trapClass } from "../trace/trap-fields.ts";
import { OutputFile } from "./output-file.ts";

/** Linear addresses, both ends included. */
export interface AddressRange {
  readonly first: number;
  readonly last: number;
}

export interface TraceOptions {
  /** Absent: stderr. */
  readonly file?: string;
  readonly test: TrapPredicate;
  /** None: everything. */
  readonly ranges: readonly AddressRange[];
  readonly registers: boolean;
}

type InstructionFields = TrapFields & { readonly sensitive: boolean };

/** What a filter of instructions can ask for: the fields of the trap log's filter that an instruction by itself has. */
export const TRACE_FIELDS: FilterFields = {
  ...Object.fromEntries(["insn", "text", "bytes", "eip", "linear", "cs", "mode", "icount", "t"].map((name) => [name, FILTER_FIELDS[name]!])),
  cpl: { ...FILTER_FIELDS["vcpl"]!, title: "ring" },
  class: {
    type: "word", title: "privileged, sensitive or io; other instructions have none", values: ["privileged", "sensitive", "io"],
    get: (fields) => ((fields as InstructionFields).sensitive ? trapClass(fields) : null),
  },
};

const LONGEST_INSTRUCTION = 15;
const WRITE_CHARACTERS = 1 << 16;
const CODE_32 = 0x4000, CR0_PE = 1;
const REGISTERS = ["eax", "ebx", "ecx", "edx", "esi", "edi", "ebp", "esp", "eflags"] as const;

interface Decoded {
  readonly bytes: Uint8Array;
  readonly text: string;
  readonly mnemonic: string;
  readonly sensitive: boolean;
}

export class TraceFile {
  private readonly machine: Machine;
  private readonly options: TraceOptions;
  private readonly file: OutputFile;
  private readonly pages = new Set<number>();
  /** By linear address and operand size; good as long as the bytes are the same. */
  private readonly known = new Map<number, Decoded>();
  private pending = "";
  private last = { linear: -1, retired: -1 };
  private lines = 0;

  constructor(machine: Machine, options: TraceOptions) {
    this.machine = machine;
    this.options = options;
    this.file = new OutputFile("trace", options.file ?? process.stderr.fd);
    for (const { first, last } of options.ranges) for (let page = first >>> 12; page <= last >>> 12; page++) this.pages.add(page);
    const everything = options.ranges.length === 0;
    machine.breakpoints.setTracer({
      covers: (page) => everything || this.pages.has(page),
      before: (linear) => {
        this.before(linear);
        return false;
      },
    });
  }

  private before(linear: number): void {
    const { machine, options, last } = this;
    const retired = machine.core.retired();
    // A string instruction that goes on after an interruption is the same one.
    if (last.linear === linear && last.retired === retired) return;
    this.last = { linear, retired };
    if (options.ranges.length > 0 && !options.ranges.some(({ first, last: end }) => linear >= first && linear <= end)) return;
    const context = machine.supervisor.guestContext;
    const code32 = (context.segmentAccess(CS) & CODE_32) !== 0;
    const { bytes, text, mnemonic, sensitive } = this.decode(linear, code32);
    const mode = (context.get(CR0) & CR0_PE) === 0 ? "real" : context.get(EFLAGS_SYSTEM) & EFLAGS_VM ? "v86" : code32 ? "pm32" : "pm16";
    const fields: InstructionFields = {
      seq: this.lines, kind: "observed", technique: machine.supervisor.technique, instruction: mnemonic, text, bytes, cs: context.selector(CS), eip: machine.cpu.state.eip >>> 0, linear, icount: retired,
      timeNs: machine.clock.nowNs(), vcpl: context.get(CPL), hcpl: context.get(CPL), mode, reason: null, vector: null, error: null, action: null,
      observed: null, expected: null, effect: null, sensitive,
    };
    if (!options.test(fields)) return;
    this.lines++;
    const line = `${String(retired).padStart(12)} ${hex(fields.cs, 4)}:${hex(fields.eip, 8)} ${hex(linear, 8)} ${mode.padEnd(4)} ${fields.vcpl} ${hexBytes(bytes).padEnd(22)} ${text}`;
    this.pending += options.registers ? `${line.padEnd(108)} ; ${this.registers()}\n` : `${line}\n`;
    if (this.pending.length >= WRITE_CHARACTERS) this.flush();
  }

  private decode(linear: number, code32: boolean): Decoded {
    const key = linear * 2 + (code32 ? 1 : 0);
    const known = this.known.get(key);
    const code = this.machine.memory.read(linear, LONGEST_INSTRUCTION);
    if (known?.bytes.every((byte, i) => byte === code[i])) return known;
    const found = explainInstruction(code, this.machine.cpu.state.eip >>> 0, code32);
    const decoded = found
      ? { bytes: found.bytes.slice(), text: found.text, mnemonic: found.mnemonic, sensitive: found.note !== null }
      : { bytes: code.slice(0, 1), text: "(bad)", mnemonic: "(bad)", sensitive: false };
    this.known.set(key, decoded);
    return decoded;
  }

  private registers(): string {
    const file = guestRegisters(this.machine);
    return REGISTERS.map((name) => `${name}=${hex(file[name], 8)}`).join(" ");
  }

  private flush(): void {
    this.file.write(this.pending);
    this.pending = "";
  }

  close(): void {
    this.flush();
    this.file.close();
  }
}
