// Instructions that leave VMX non-root operation. SDM Vol. 3C, "Instructions That Cause VM Exits Unconditionally", "... Conditionally",
// "Relative Priority of Faults and VM Exits": the instruction's own privilege faults come first, then the exit, then its other faults.

import type { HelperName } from "../../isa/builder.ts";
import { R_OPCODE } from "../../isa/record-layout.ts";
import { CPL, CR0, CR4, ECX, RECORD } from "../../isa/state-layout.ts";
import { CR4_PCE, CR4_TSD } from "../control-bits.ts";
import { recordExit } from "../exceptions.ts";
import { FAULT_IS_EXIT } from "../exit.ts";
import type { Processor } from "../processor.ts";
import {
  type ControlBlock, EXIT_CONTROL_REGISTER, EXIT_CPUID, EXIT_DEBUG_REGISTER, EXIT_GDTR_IDTR, EXIT_HLT, EXIT_INVD, EXIT_INVLPG, EXIT_IO, EXIT_LDTR_TR,
  EXIT_RDMSR, EXIT_RDPMC, EXIT_RDTSC, EXIT_WRMSR, portLeaves,
} from "../vmx-controls.ts";
import { checkIo } from "./io.ts";

type HelperBody = (a: number, b: number, c: number, d: number, e: number) => number;
type Helpers = Readonly<Record<HelperName, HelperBody>>;
/** The exit reason, or -1 where the instruction goes on. */
type Intercept = (block: ControlBlock, a: number, b: number) => number;

const STAYS = -1;
const INVD_OPCODE = 0x08;
const MACHINE_STATUS = 0xf;

export function withIntercepts(p: Processor, helpers: Helpers): Helpers {
  const when = (leaves: boolean, reason: number) => (leaves ? reason : STAYS);
  const changes = (value: number, shadow: number, mask: number) => ((value ^ shadow) & mask) !== 0;
  const allowed = (flag: number, forbids: boolean) => p.context.get(CPL) === 0 || ((p.context.get(CR4) & flag) !== 0) !== forbids;
  const throughPorts: Intercept = (block, port, width) => when(portLeaves(block, port, width) && checkIo(p, port, width), EXIT_IO);

  const intercepts: Partial<Record<HelperName, Intercept>> = {
    cpuid: () => EXIT_CPUID,
    halt: (block) => when(block.hltExiting, EXIT_HLT),
    cacheControl: () => when(p.state.u8[p.state.read(RECORD) + R_OPCODE] === INVD_OPCODE, EXIT_INVD),
    invalidatePage: (block) => when(block.invlpgExiting, EXIT_INVLPG),
    readTimestamp: (block) => when(block.rdtscExiting && allowed(CR4_TSD, true), EXIT_RDTSC),
    readPerformanceCounter: (block) => when(block.rdpmcExiting && allowed(CR4_PCE, false), EXIT_RDPMC),
    readControl: (block, n) => when(n === 3 && block.cr3StoreExiting, EXIT_CONTROL_REGISTER),
    writeControl: (block, n, value) => {
      if (n === 0) return when(changes(value, block.cr0Shadow, block.cr0Mask), EXIT_CONTROL_REGISTER);
      if (n === 4) return when(changes(value, block.cr4Shadow, block.cr4Mask), EXIT_CONTROL_REGISTER);
      return when(n === 3 && block.cr3LoadExiting, EXIT_CONTROL_REGISTER);
    },
    loadMachineStatus: (block, value) => when(changes(value, block.cr0Shadow, block.cr0Mask & MACHINE_STATUS), EXIT_CONTROL_REGISTER),
    clearTaskSwitched: (block) => when((block.cr0Mask & block.cr0Shadow & 8) !== 0, EXIT_CONTROL_REGISTER),
    readDebug: (block) => when(block.movDrExiting, EXIT_DEBUG_REGISTER),
    writeDebug: (block) => when(block.movDrExiting, EXIT_DEBUG_REGISTER),
    checkIo: throughPorts,
    portIn: throughPorts,
    portOut: throughPorts,
    readMsr: (block) => when(!block.passedMsrs.has(p.state.gpr(ECX)), EXIT_RDMSR),
    writeMsr: (block) => when(!block.passedMsrs.has(p.state.gpr(ECX)), EXIT_WRMSR),
    loadGdt: (block) => when(block.descriptorTableExiting, EXIT_GDTR_IDTR),
    loadIdt: (block) => when(block.descriptorTableExiting, EXIT_GDTR_IDTR),
    loadLdt: (block) => when(block.descriptorTableExiting, EXIT_LDTR_TR),
    loadTask: (block) => when(block.descriptorTableExiting, EXIT_LDTR_TR),
  };

  const guest: Partial<Record<HelperName, HelperBody>> = {
    // Host-owned bits show the shadow's value and keep their own.
    readControl: (n, b, c, d, e) => {
      const value = helpers.readControl(n, b, c, d, e), block = p.nonRoot!;
      if (n === 0) return (value & ~block.cr0Mask) | (block.cr0Shadow & block.cr0Mask);
      return n === 4 ? (value & ~block.cr4Mask) | (block.cr4Shadow & block.cr4Mask) : value;
    },
    writeControl: (n, value, c, d, e) => {
      const { cr0Mask, cr4Mask } = p.nonRoot!;
      if (n === 0) value = (value & ~cr0Mask) | (p.context.get(CR0) & cr0Mask);
      if (n === 4) value = (value & ~cr4Mask) | (p.context.get(CR4) & cr4Mask);
      return helpers.writeControl(n, value, c, d, e);
    },
  };

  const wrapped: Record<string, HelperBody> = { ...helpers };
  for (const name of Object.keys(intercepts) as HelperName[]) {
    const intercept = intercepts[name]!, root = helpers[name], nonRoot = guest[name] ?? root;
    wrapped[name] = (a, b, c, d, e) => {
      const block = p.nonRoot;
      if (block === null) return root(a, b, c, d, e);
      const reason = intercept(block, a, b);
      if (p.state.fault !== 0) return 0;
      if (reason === STAYS) return nonRoot(a, b, c, d, e);
      recordExit(p, "vmx", 0, p.state.eip, reason);
      p.raiseNoError(FAULT_IS_EXIT - 1);
      return 0;
    };
  }
  return wrapped as unknown as Helpers;
}
