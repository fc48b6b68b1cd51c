// Selectors that show the ring where the guest's kernel really runs come back: PUSH CS, later IRET. On the silicon that is
// consistent by itself. Where the monitor runs such an instruction for the guest's ring 0, RPL 1 or 3 of a descriptor with
// DPL 0 means RPL 0: read literally it would be a return to a ring that the guest never used.

import type { Cpu } from "../cpu/cpu.ts";
import type { Decoded } from "../isa/decoded.ts";
import { resolveOperand } from "../isa/operand-location.ts";
import { CPL, FCS, FDS } from "../isa/state-layout.ts";
import { operandAddress, stackAddress } from "./guest-operand.ts";
import { runsInV86 } from "./limbo.ts";
import { factsOf } from "./row-facts.ts";
import type { ShadowDescriptors } from "./shadow/descriptors.ts";

const DPL_BITS = 3 << 13;

export class LeakedSelectors {
  private readonly cpu: Cpu;
  private readonly descriptors: ShadowDescriptors;
  private readonly ring: 1 | 3;

  constructor(cpu: Cpu, descriptors: ShadowDescriptors, ring: 1 | 3) {
    this.cpu = cpu;
    this.descriptors = descriptors;
    this.ring = ring;
  }

  /** Runs `step`, one instruction on V, with the RPL of the selector that it is about to load set right. V is active. */
  around(d: Decoded | null, step: () => void): void {
    const v = this.cpu.v.context;
    if (!d || !factsOf(d.row!).loadsSelector || v.get(CPL) !== 0 || runsInV86(v)) return step();
    const { state } = this.cpu;
    switch (d.row!.mnemonic) {
      case "IRET": case "RETF": return this.inMemory(stackAddress(state, v, d.operandSize), step);
      case "POP": return this.inMemory(stackAddress(state, v, 0), step);
      case "LDS": case "LES": case "LSS": case "LFS": case "LGS": return this.inMemory(operandAddress(state, v, d) + d.operandSize, step);
      case "CALL": case "JMP": return d.row!.operands[0] === "Mp" ? this.inMemory(operandAddress(state, v, d) + d.operandSize, step) : step();
      case "MOV": return d.row!.operands[0] === "Sw" ? this.fromSource(d, step) : step();
      default: return step();
    }
  }

  /** The x87 has noted selectors of the guest's kernel with its real ring: from now on they carry the guest's own. */
  cleanPointers(): void {
    const { state } = this.cpu;
    const code = state.read(FCS), data = state.read(FDS);
    if (code === this.cleanCode && data === this.cleanData) return;
    if (!runsInV86(this.cpu.v.context)) {
      if (this.isLeaked(code)) state.write(FCS, code & 0xfffc);
      if (this.isLeaked(data)) state.write(FDS, data & 0xfffc);
    }
    this.cleanCode = state.read(FCS);
    this.cleanData = state.read(FDS);
  }
  private cleanCode = 0;
  private cleanData = 0;

  private fromSource(d: Decoded, step: () => void): void {
    const { state } = this.cpu;
    const source = resolveOperand(d.row!.operands[1]!, d);
    if (source.kind === "mem") return this.inMemory(operandAddress(state, this.cpu.v.context, d), step);
    const { number } = source;
    const selector = state.register(number, 2);
    if (!this.isLeaked(selector)) return step();
    state.setRegister(number, 2, selector & 0xfffc);
    step();
    state.setRegister(number, 2, selector);
  }

  private inMemory(linear: number, step: () => void): void {
    const host = (linear & 0xfff) > 0xffe ? 0 : this.host(linear);
    const { view } = this.cpu.state;
    const selector = host === 0 ? 0 : view.getUint16(host, true);
    if (!this.isLeaked(selector)) return step();
    view.setUint16(host, selector & 0xfffc, true);
    step();
    view.setUint16(host, selector, true);
  }

  private isLeaked(selector: number): boolean {
    return (selector & 3) === this.ring && this.descriptors.findGuest(selector) && (this.descriptors.high & DPL_BITS) === 0;
  }

  private host(linear: number): number {
    const physical = this.cpu.peekPhysical(linear | 0);
    const page = physical < 0 ? 0 : this.cpu.physical.hostPage(physical >>> 12);
    return page === 0 ? 0 : page + (physical & 0xfff);
  }
}
