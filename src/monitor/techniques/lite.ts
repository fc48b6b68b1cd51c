// T4, plex86-lite (2003): the guest's kernel, built with macros in the place of PUSHF, POPF and IRET, runs in ring 3. CR4.PVI gives it
// a virtual interrupt flag: CLI and STI act on VIF and cost nothing until an interrupt waits (VIP). IRET carries a LOCK prefix, so
// that it faults. Console, disks and network are calls of the monitor, INT FFh (docs/lite.md, src/hardware/hal.ts).
//
// `lite=anyway` runs what the enter-check would refuse, and counts it: raw PUSHF, POPF and IRET leak then.
//
// Not implemented: the loader of plex86, which put the kernel into memory itself: firmware and boot sector are emulated.

import type { StopReason } from "../../cpu/core.ts";
import type { CpuExit } from "../../cpu/exit.ts";
import { CR0_PE } from "../../cpu/control-bits.ts";
import { GP, PF, UD } from "../../cpu/processor.ts";
import { CPL, CR0, CS, EAX, EBX, ECX, EDX, EFLAGS_SYSTEM, EFLAGS_VIF, EFLAGS_VIP, ESP, SS } from "../../isa/state-layout.ts";
import type { ActionName } from "../../protocol/trap-record.ts";
import { Deprivileged } from "../deprivileged.ts";
import { type Cause, objection, RawSites } from "./lite-check.ts";
import type { Monitor, TechniqueDefinition } from "./technique.ts";

const ACCESS_CODE32 = 1 << 14;
const HAL_VECTOR = 0xff;
const SITES_SHOWN = 8;
const LOCK = 0xf0;

/** What the monitor of plex86-lite does for the guest's kernel, and whatever loads a segment register for the first time; anything else ends it. */
const LISTED: ReadonlySet<string> = new Set([
  "JMP", "CALL", "RETF", "POP", "LDS", "LES", "LSS", "LFS", "LGS",
  "CLI", "STI", "HLT", "IN", "OUT", "INS", "OUTS", "LGDT", "LIDT", "LTR", "LLDT", "MOV", "CLTS", "LMSW", "INVLPG", "INT", "INT3", "IRET", "RDTSC", "WBINVD",
]);

class Lite extends Deprivileged {
  /** The loader has handed over to 32-bit code. */
  private taken = false;
  private halCalls = 0;
  private readonly raw: RawSites;
  /** The enter-check's answers by cause. */
  private readonly causes = new Map<Cause, number>();

  constructor(monitor: Monitor) {
    super(monitor, 3, { pvi: true });
    this.raw = new RawSites(this.cpu, monitor.parts.decoder);
  }

  private get anyway(): boolean {
    return this.monitor.set.lite === "anyway";
  }

  // --- enter-check

  override enter(left: number): StopReason | null {
    const { monitor } = this;
    if (!this.taken) {
      if (!this.isLoaded()) return monitor.emulate(left, this.loaded, true);
      this.taken = true;
      this.cpu.switchContext("V");
      monitor.recorder.forget();
      this.lookForRawSites(this.cpu.state.eip);
    }
    const ended = monitor.refusal ? "break" : super.enter(left);
    if (ended !== null) return ended;
    const no = objection(this.cpu.v.context);
    return no && this.objectTo(no[0], no[1]) ? "break" : null;
  }

  /** 32-bit protected mode in ring 0, in RAM: firmware and what it loaded in real mode are behind us. */
  private isLoaded(): boolean {
    const { cpu } = this;
    const v = cpu.v.context;
    if ((v.get(CR0) & CR0_PE) === 0 || v.get(CPL) !== 0 || (v.segmentAccess(CS) & ACCESS_CODE32) === 0) return false;
    cpu.switchContext("V");
    const physical = cpu.peekPhysical((v.segmentBase(CS) + cpu.state.eip) | 0);
    return physical >= 0 && !cpu.v.physical.isReadOnly(physical >>> 12);
  }
  private readonly loaded = (): boolean => this.isLoaded();

  protected override emulateLimbo(left: number, reason: string): StopReason {
    this.count("STATE");
    return super.emulateLimbo(left, reason);
  }

  private count(cause: Cause): void {
    this.causes.set(cause, (this.causes.get(cause) ?? 0) + 1);
  }

  /** True: refused. */
  private objectTo(cause: Cause, why: string): boolean {
    this.count(cause);
    if (this.anyway) return false;
    this.monitor.refuse(`${cause}: ${why}`);
    return true;
  }

  private lookForRawSites(eip: number): boolean {
    const known = this.raw.found.length;
    if (!this.raw.follow(eip)) return false;
    const { found } = this.raw;
    const shown = found.slice(0, SITES_SHOWN).join(", ");
    const text = `${found.length} sites without the macros: ${shown}${found.length > SITES_SHOWN ? " ..." : ""}`;
    if (this.anyway && known === 0) this.monitor.parts.notice(`RAW_PUSHF: ${text}: they leak.`);
    return this.objectTo("RAW_PUSHF", text);
  }

  // --- exits

  override react(exit: CpuExit): ActionName {
    const { cpu, monitor } = this;
    const { instruction } = monitor.recorder;
    if (cpu.v.context.get(CPL) !== 0 || !instruction) return super.react(exit);
    if (this.lookForRawSites(cpu.state.eip)) return "refuse";
    if (exit.vector === PF) return super.react(exit);
    const { mnemonic } = instruction.row!;
    if (exit.vector === UD && mnemonic === "IRET" && monitor.recorder.bytes[0] === LOCK) return this.returnFromInterrupt();
    if (mnemonic === "INT" && (instruction.immediate & 0xff) === HAL_VECTOR) return this.hal(instruction.length);
    if (exit.vector === GP && !LISTED.has(mnemonic) && this.objectTo("METHOD", `${mnemonic} is not among what this monitor does for a kernel`)) return "refuse";
    return super.react(exit);
  }

  /** F0 CF: the IRET behind the prefix is what the macro means. */
  private returnFromInterrupt(): ActionName {
    const { cpu } = this;
    const { state } = cpu;
    const site = state.eip;
    state.eip = (site + 1) | 0;
    const { core } = this.monitor, before = core.retired();
    const action = this.monitor.step();
    // Somebody stopped the machine before the step: it is done when the guest goes on, prefix and all.
    if (core.retired() === before && cpu.delivered === null) state.eip = site;
    // An image that PUSHF made has VIF in it, which is the kernel's alone: outside it is off.
    const v = cpu.v.context;
    v.set(EFLAGS_SYSTEM, v.get(EFLAGS_SYSTEM) & ~(EFLAGS_VIF | EFLAGS_VIP));
    // The guest knows its IRET by the address of the prefix: the frame of a fault names that.
    const delivered = cpu.delivered;
    if (delivered?.isException) {
      const linear = (v.segmentBase(SS) + state.gpr(ESP) + (delivered.errorCode === null ? 0 : 4)) | 0;
      const physical = cpu.peekPhysical(linear);
      const host = physical < 0 ? 0 : cpu.v.physical.hostPage(physical >>> 12);
      const at = host + (physical & 0xfff);
      if (host !== 0 && (physical & 3) === 0 && state.view.getInt32(at, true) === ((site + 1) | 0)) {
        state.view.setInt32(at, site, true);
        state.touched(at);
      }
    }
    return action;
  }

  /** INT FFh: EAX is the call. */
  private hal(length: number): ActionName {
    const { state } = this.cpu;
    const call = state.gpr(EAX) >>> 0;
    this.halCalls++;
    const result = this.monitor.parts.hal(call, state.gpr(EBX) >>> 0, state.gpr(ECX) >>> 0, state.gpr(EDX) >>> 0);
    if (result === null) {
      this.monitor.refuse(`there is no HAL call ${call}`);
      return "refuse";
    }
    state.setGpr(EAX, result);
    state.eip = (state.eip + length) | 0;
    return "emulate";
  }

  override get statistics(): Readonly<Record<string, number>> {
    return { ...super.statistics, halCalls: this.halCalls, rawSites: this.raw.found.length, ...Object.fromEntries(this.causes) };
  }
}

export const lite: TechniqueDefinition = { id: "lite", create: (monitor) => new Lite(monitor) };
