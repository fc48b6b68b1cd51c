// T4, plex86-lite (2003): the guest's kernel, built with macros in the place of PUSHF, POPF and IRET, runs in ring 3. CR4.PVI gives it
// a virtual interrupt flag: CLI and STI act on VIF and cost nothing until an interrupt waits (VIP). IRET carries a LOCK prefix, so
// that it faults. Console and the rest are calls of the monitor, INT FFh.
//
// Not implemented: the disk and network calls of the HAL, and its IRQ 3.

import type { StopReason } from "../../cpu/core.ts";
import type { CpuExit } from "../../cpu/exit.ts";
import { UD } from "../../cpu/processor.ts";
import { createDecoded, NEEDS_MORE_BYTES } from "../../isa/decoder.ts";
import { TOO_LONG } from "../../isa/decoded.ts";
import { ACCESS_UNUSABLE, CPL, CS, CR0, CR4, EAX, EBX, ECX, EFLAGS_IOPL, EFLAGS_SYSTEM, LDTR } from "../../isa/state-layout.ts";
import type { ActionName } from "../../protocol/trap-record.ts";
import { Deprivileged } from "../deprivileged.ts";
import { runsInV86 } from "../limbo.ts";
import { branchTarget, flowOf } from "./code-class.ts";
import type { Monitor, TechniqueDefinition } from "./technique.ts";

const CR0_PE = 1, CR4_PSE = 0x10, CR4_PAE = 0x20;
const ACCESS_CODE32 = 1 << 14;
const HAL_VECTOR = 0xff;
const HAL_CONSOLE_WRITE = 3, HAL_CONSOLE_REGISTER = 4;
const DEBUG_CONSOLE = 0xe9;
const MAXIMUM_LENGTH = 15, SEARCH = 20_000, SITES_SHOWN = 8;
/** The prefix by which the macros mark what they contain: DS, which changes nothing there. */
const MACRO_PREFIX = 0x3e, LOCK = 0xf0;

/** What the monitor of plex86-lite does for the guest's kernel; anything else ends it. */
const LISTED: ReadonlySet<string> = new Set([
  "CLI", "STI", "HLT", "IN", "OUT", "INS", "OUTS", "LGDT", "LIDT", "LTR", "LLDT", "MOV", "CLTS", "LMSW", "INVLPG", "INT", "INT3", "IRET", "RDTSC", "WBINVD",
]);

class Lite extends Deprivileged {
  /** The loader has handed over to 32-bit code. */
  private taken = false;
  private halCalls = 0;
  private readonly decoded = createDecoded();
  private readonly bytes = new Uint8Array(16);

  constructor(monitor: Monitor) {
    super(monitor, 3, { pvi: true });
  }

  // --- enter-check

  override enter(left: number): StopReason | null {
    const { monitor } = this;
    if (!this.taken) {
      if (!this.isLoaded()) return monitor.emulate(left, this.loaded, true);
      this.taken = true;
      this.cpu.switchContext("V");
      if (monitor.set.lite !== "anyway") this.refuseRawSites();
    }
    if (!monitor.emulating) this.check();
    return monitor.refusal ? "break" : super.enter(left);
  }

  /** 32-bit protected mode in ring 0: a loader with its firmware is behind us. */
  private isLoaded(): boolean {
    const v = this.cpu.v.context;
    return (v.get(CR0) & CR0_PE) !== 0 && v.get(CPL) === 0 && (v.segmentAccess(CS) & ACCESS_CODE32) !== 0;
  }
  private readonly loaded = (): boolean => this.isLoaded();

  /** The NoExecute causes of plex86. */
  private check(): void {
    const v = this.cpu.v.context;
    if (runsInV86(v)) this.monitor.refuse("16BIT: the guest runs 16-bit code");
    else if ((v.segmentAccess(CS) & ACCESS_CODE32) === 0) this.monitor.refuse("CS: a 16-bit code segment");
    else if (v.get(CR4) & (CR4_PSE | CR4_PAE)) this.monitor.refuse("CR4: large pages or PAE");
    else if (v.get(EFLAGS_SYSTEM) & EFLAGS_IOPL) this.monitor.refuse("EFLAGS: IOPL is not 0");
    else if ((v.segmentAccess(LDTR) & ACCESS_UNUSABLE) === 0 && (v.selector(LDTR) & 0xfffc) !== 0) this.monitor.refuse("SELECTOR: the guest uses an LDT");
  }

  /** Follows direct control flow from the entry and refuses a kernel that was not built with the macros. */
  private refuseRawSites(): void {
    const sites = this.rawSites(this.cpu.state.eip);
    if (sites.length === 0) return;
    const shown = sites.slice(0, SITES_SHOWN).join(", ");
    this.monitor.refuse(`RAW_PUSHF: ${sites.length} sites without the macros: ${shown}${sites.length > SITES_SHOWN ? " ..." : ""}`);
  }

  private rawSites(entry: number): string[] {
    const { decoded } = this;
    const sites: string[] = [];
    const seen = new Set<number>();
    const work = [entry];
    while (work.length > 0 && seen.size < SEARCH) {
      for (let eip = work.pop()!; !seen.has(eip); ) {
        seen.add(eip);
        const length = this.decodeAt(eip);
        if (length === 0) break;
        const { mnemonic } = decoded.row!;
        const marked = this.bytes[0] === MACRO_PREFIX;
        if (((mnemonic === "PUSHF" || mnemonic === "POPF") && !marked) || (mnemonic === "IRET" && !decoded.lock)) {
          sites.push(`${mnemonic} at ${(eip >>> 0).toString(16)}`);
        }
        const flow = flowOf(decoded);
        if (flow === "jump" || flow === "conditional" || flow === "call") work.push(branchTarget(decoded, eip));
        if (flow === "jump" || flow === "indirect" || flow === "far" || flow === "stop") break;
        eip = (eip + length) | 0;
      }
    }
    return sites;
  }

  private decodeAt(eip: number): number {
    const { cpu } = this;
    const base = cpu.v.context.segmentBase(CS);
    let available = 0;
    for (; available < MAXIMUM_LENGTH; available++) {
      const physical = cpu.peekPhysical((base + eip + available) | 0);
      const host = physical < 0 ? 0 : cpu.v.physical.hostPage(physical >>> 12);
      if (host === 0) break;
      this.bytes[available] = cpu.state.u8[host + (physical & 0xfff)]!;
    }
    const length = this.monitor.parts.decoder.decodeBytes(this.bytes, 0, available, true, this.decoded);
    return length === NEEDS_MORE_BYTES || length === TOO_LONG || this.decoded.row === null ? 0 : length;
  }

  // --- exits

  override react(exit: CpuExit): ActionName {
    const { cpu, monitor } = this;
    const { instruction } = monitor.recorder;
    if (cpu.v.context.get(CPL) !== 0 || !instruction || exit.vector === 14) return super.react(exit);
    if (exit.vector === UD && instruction.row!.mnemonic === "IRET" && monitor.recorder.bytes[0] === LOCK) {
      // F0 CF: the IRET behind the prefix is what the macro means.
      cpu.state.eip = (cpu.state.eip + 1) | 0;
      return monitor.step();
    }
    if (instruction.row!.mnemonic === "INT" && (instruction.immediate & 0xff) === HAL_VECTOR) return this.hal(instruction.length);
    if (!LISTED.has(instruction.row!.mnemonic)) {
      monitor.refuse(`METHOD: ${instruction.row!.mnemonic} is not among what this monitor does for a kernel`);
      return "refuse";
    }
    return super.react(exit);
  }

  /** INT FFh: EAX is the call. */
  private hal(length: number): ActionName {
    const { cpu, monitor } = this;
    const { state } = cpu;
    const call = state.gpr(EAX);
    this.halCalls++;
    if (call === HAL_CONSOLE_WRITE) {
      const from = state.gpr(EBX), count = state.gpr(ECX);
      for (let i = 0; i < count; i++) {
        const physical = cpu.peekPhysical((from + i) | 0);
        const host = physical < 0 ? 0 : cpu.v.physical.hostPage(physical >>> 12);
        if (host === 0) break;
        cpu.hooks.ports.write(DEBUG_CONSOLE, 1, state.u8[host + (physical & 0xfff)]!);
      }
    } else if (call !== HAL_CONSOLE_REGISTER) {
      monitor.refuse(`HAL call ${call}: this machine has the console calls alone`);
      return "refuse";
    }
    state.setGpr(EAX, 0);
    state.eip = (state.eip + length) | 0;
    return "emulate";
  }

  get statistics(): Readonly<Record<string, number>> {
    return { halCalls: this.halCalls };
  }
}

export const lite: TechniqueDefinition = { id: "lite", create: (monitor) => new Lite(monitor) };
