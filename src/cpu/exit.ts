// CpuExit: the processor would have entered CPL 0 while a monitor is attached, or its control block asked it to leave non-root
// operation. Nothing architectural has changed; the run loop hands the record to the monitor.

export type ExitKind = "exception" | "software-interrupt" | "interrupt" | "sysenter" | "call-gate" | "task-switch" | "vmx" | "callout" | "tc-miss";

/** An event whose delivery an exit cut off: "IDT-vectoring information". */
export interface CutOffEvent {
  readonly vector: number;
  readonly kind: 0 | 1 | 2 | 3 | 4 | 5;
  readonly hasError: boolean;
  readonly error: number;
}

/** One record, reused: copy what must last. */
export class CpuExit {
  pending = false;
  kind: ExitKind = "exception";
  /** Vector of exceptions and interrupts; 0 otherwise. */
  vector = 0;
  hasErrorCode = false;
  errorCode = 0;
  /** Linear address of a #PF. */
  cr2 = 0;
  /** The EIP that a ring-0 handler would have found on its stack: of the instruction itself for faults, of the next one for traps and software interrupts. */
  returnEip = 0;
  /** RF in the image that the handler would have found on its stack. */
  resumeFlag = false;
  /** Selector of the call gate or TSS. */
  selector = 0;
  /** Intel's basic exit reason; -1: no exit of non-root operation. */
  vmxReason = -1;
  /** Of an EPT violation: access and rights, and the address. */
  qualification = 0;
  guestPhysical = 0;
  cutOff: CutOffEvent | null = null;

  clear(): void {
    this.pending = false;
  }
}

/** Value of FAULT that ends an instruction because of an exit: no vector reaches it. */
export const FAULT_IS_EXIT = 0x200;
/** ... or because it is to be done anew, with segment limits (linear-memory.ts). */
export const FAULT_NEEDS_LIMITS = 0x201;
