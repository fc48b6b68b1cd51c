// The bodies of `Builder.helper`, one table for every back-end. Arguments and results are 32-bit integers; a fault is left in FAULT.

import type { HelperName } from "../../isa/builder.ts";
import { R_SEGMENT } from "../../isa/record-layout.ts";
import { ACTIVITY, CPL, CR4, ECX, RECORD, SEGMENT_STRIDE } from "../../isa/state-layout.ts";
import { CR4_PCE, CR4_TSD } from "../control-bits.ts";
import { executeCpuid } from "../cpuid.ts";
import { deliverRaised, deliverVirtualInterrupt } from "../exceptions.ts";
import { answer, answerTimestamp, readMsr, writeMsr } from "../msr.ts";
import { GP, GUEST_FAULT, type Processor, UD } from "../processor.ts";
import { loadSegmentRegister } from "../segmentation.ts";
import { bulkString } from "./bulk-string.ts";
import { clearTaskSwitched, loadMachineStatus, readControl, writeControl } from "./control-registers.ts";
import { readDebug, writeDebug } from "./debug-registers.ts";
import {
  checkUmip, loadAccessRights, loadGdt, loadIdt, loadLdt, loadSegmentLimit, loadTask, storeLdt, storeTask, verifyRead, verifyWrite,
} from "./descriptor-tables.ts";
import { enter } from "./enter.ts";
import { farCall, farJump, farReturn } from "./far-transfer.ts";
import { sysenter, sysexit } from "./fast-system-call.ts";
import { clearInterruptFlag, popFlags, pushFlags, setInterruptFlag } from "./flags.ts";
import { fpuCheck, sseCheck } from "./fpu.ts";
import {
  callout, clearGuestInterruptFlag, guestSelector, popGuestFlags, pushGuestFlags, pushGuestSelector, readGuestTimestamp, setGuestInterruptFlag,
} from "./guest-flags.ts";
import { withIntercepts } from "./intercepts.ts";
import { interruptReturn } from "./interrupt-return.ts";
import { checkIo, portIn, portOut } from "./io.ts";
import { monitorWait } from "./monitor-wait.ts";
import { breakpointTrap, icebp, overflowTrap, softwareInterrupt } from "./software-interrupt.ts";

export type HelperBody = (a: number, b: number, c: number, d: number, e: number) => number;
type Size = 2 | 4;
const HALTED = 1;

export function createHelpers(p: Processor): Readonly<Record<HelperName, HelperBody>> {
  /** The boundary of bodies that unwind: what they raised is in FAULT, except that a task that was entered takes its fault itself. */
  const end = (signal: unknown): 0 => {
    if (signal !== GUEST_FAULT) throw signal;
    p.external = 0;
    if (p.taskCommitted) {
      p.taskCommitted = false;
      deliverRaised(p);
    }
    return 0;
  };
  const guard = (run: HelperBody): HelperBody => (a, b, c, d, e) => {
    try {
      return run(a, b, c, d, e);
    } catch (signal) {
      return end(signal);
    }
  };
  const undefinedOpcode: HelperBody = () => (p.raiseNoError(UD), 0);
  const loadSegment: HelperBody = (index, selector) => {
    try {
      loadSegmentRegister(p, index, selector);
      return 0;
    } catch (signal) {
      return end(signal);
    }
  };

  /** The segment that the executing record names. */
  const recordSegment = () => p.state.view.getUint16(p.state.read(RECORD) + R_SEGMENT, true) / SEGMENT_STRIDE;

  return withIntercepts(p, {
    farJump: guard((selector, offset) => {
      farJump(p, selector, offset);
      deliverVirtualInterrupt(p);
      return 0;
    }),
    farCall: guard((selector, offset, size) => {
      farCall(p, selector, offset, size as Size);
      deliverVirtualInterrupt(p);
      return 0;
    }),
    farReturn: guard((size, popBytes) => {
      farReturn(p, size as Size, popBytes);
      deliverVirtualInterrupt(p);
      return 0;
    }),
    interruptReturn: (size) => {
      try {
        interruptReturn(p, size as Size);
        deliverVirtualInterrupt(p);
        return 0;
      } catch (signal) {
        return end(signal);
      }
    },
    softwareInterrupt: (vector) => {
      try {
        softwareInterrupt(p, vector);
        return 0;
      } catch (signal) {
        return end(signal);
      }
    },
    breakpointTrap: guard(() => (breakpointTrap(p), 0)),
    overflowTrap: guard(() => (overflowTrap(p), 0)),
    icebp: guard(() => (icebp(p), 0)),
    enter: guard((size, allocSize, level) => (enter(p, size as Size, allocSize, level), 0)),

    loadSegment,
    loadFarPointerSegment: loadSegment,

    pushFlags: (size) => (pushFlags(p, size as Size), 0),
    popFlags: (size) => (popFlags(p, size as Size), 0),
    clearInterruptFlag: () => (clearInterruptFlag(p), 0),
    setInterruptFlag: () => (setInterruptFlag(p), 0),
    halt: () => (p.context.set(ACTIVITY, HALTED), 0),

    checkIo: (port, width) => (checkIo(p, port, width), 0),
    portIn: (port, width) => portIn(p, port, width) | 0,
    portOut: (port, width, value) => (portOut(p, port, width, value), 0),
    bulkString: (kind, width, addressSize, segment) => bulkString(p, kind, width, addressSize, segment < 0 ? recordSegment() : segment),

    loadGdt: (base, limit) => (loadGdt(p, base, limit), 0),
    loadIdt: (base, limit) => (loadIdt(p, base, limit), 0),
    loadLdt: guard((selector) => (loadLdt(p, selector), 0)),
    loadTask: guard((selector) => (loadTask(p, selector), 0)),
    storeLdt: () => storeLdt(p),
    storeTask: () => storeTask(p),
    checkUmip: () => (checkUmip(p), 0),
    loadAccessRights: guard((selector) => loadAccessRights(p, selector)),
    loadSegmentLimit: guard((selector) => loadSegmentLimit(p, selector) | 0),
    verifyRead: guard((selector) => (verifyRead(p, selector), 0)),
    verifyWrite: guard((selector) => (verifyWrite(p, selector), 0)),

    readControl: guard((n) => readControl(p, n)),
    writeControl: (n, value) => (writeControl(p, n, value), 0),
    readDebug: (n) => readDebug(p, n),
    writeDebug: (n, value) => (writeDebug(p, n, value), 0),
    clearTaskSwitched: () => (clearTaskSwitched(p), 0),
    loadMachineStatus: (value) => (loadMachineStatus(p, value), 0),
    invalidatePage: (linear) => (p.tlb.flushPage(linear), 0),
    // Caches are not modelled: there is nothing to write back or to lose.
    cacheControl: () => 0,

    cpuid: () => (executeCpuid(p), 0),
    readTimestamp: () => {
      if (p.context.get(CR4) & CR4_TSD && p.context.get(CPL) !== 0) p.raise(GP, 0);
      else answerTimestamp(p);
      return 0;
    },
    readMsr: () => (readMsr(p), 0),
    writeMsr: () => (writeMsr(p), 0),
    readPerformanceCounter: () => {
      // Nothing makes the counters count.
      const allowed = p.context.get(CR4) & CR4_PCE || p.context.get(CPL) === 0;
      if (!allowed || p.state.gpr(ECX) >>> 0 >= p.model.performanceCounters) p.raise(GP, 0);
      else answer(p, 0, 0);
      return 0;
    },
    sysenter: () => (sysenter(p), 0),
    sysexit: () => {
      sysexit(p);
      deliverVirtualInterrupt(p);
      return 0;
    },

    callout: () => (callout(p), 0),
    clearGuestInterruptFlag: () => (clearGuestInterruptFlag(p), 0),
    setGuestInterruptFlag: () => (setGuestInterruptFlag(p), 0),
    pushGuestFlags: (size) => (pushGuestFlags(p, size as Size), 0),
    popGuestFlags: (size) => (popGuestFlags(p, size as Size), 0),
    readGuestTimestamp: () => (readGuestTimestamp(p), 0),
    guestSelector: (index) => guestSelector(p, index),
    pushGuestSelector: (index, size) => (pushGuestSelector(p, index, size as Size), 0),

    storesBeside: () => ((p.checkedRecord = p.state.read(RECORD)), 0),

    fpuCheck: (kind) => (fpuCheck(p, kind), 0),
    sseCheck: (kind) => (sseCheck(p, kind), 0),
    fpuHelper: undefinedOpcode,
    undefined: undefinedOpcode,
    monitorWait: (kind) => (monitorWait(p, kind), 0),
  });
}
