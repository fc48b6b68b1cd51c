// The control block of VMX non-root operation: what makes the processor leave while the guest runs in its own rings.
// SDM Vol. 3C, "VM-Execution Control Fields"; basic exit reasons: Vol. 3D, Appendix C.
//
// Not implemented: VMX instructions of the guest (no nested VMX), TPR shadow, PAUSE and WBINVD exiting, the preemption timer,
// exits for stores of descriptor-table registers, MSR areas.

export const EXIT_EXCEPTION = 0, EXIT_EXTERNAL_INTERRUPT = 1, EXIT_TRIPLE_FAULT = 2, EXIT_INTERRUPT_WINDOW = 7, EXIT_TASK_SWITCH = 9;
export const EXIT_CPUID = 10, EXIT_HLT = 12, EXIT_INVD = 13, EXIT_INVLPG = 14, EXIT_RDPMC = 15, EXIT_RDTSC = 16;
export const EXIT_CONTROL_REGISTER = 28, EXIT_DEBUG_REGISTER = 29, EXIT_IO = 30, EXIT_RDMSR = 31, EXIT_WRMSR = 32, EXIT_INVALID_STATE = 33;
export const EXIT_GDTR_IDTR = 46, EXIT_LDTR_TR = 47, EXIT_EPT_VIOLATION = 48, EXIT_EPT_MISCONFIGURATION = 49;

/** One record, which the monitor fills and the processor reads. */
export class ControlBlock {
  // Pin-based.
  externalInterruptExiting = true;
  nmiExiting = true;
  // Processor-based. CPUID, INVD and task switches leave always.
  interruptWindowExiting = false;
  hltExiting = true;
  invlpgExiting = false;
  rdpmcExiting = true;
  rdtscExiting = false;
  cr3LoadExiting = false;
  cr3StoreExiting = false;
  movDrExiting = false;
  descriptorTableExiting = false;
  /** Vectors whose exceptions leave. */
  exceptionBitmap = 0;
  /** Bits that the host owns: reads show the shadow's, a write that differs from it leaves. */
  cr0Mask = 0;
  cr0Shadow = 0;
  cr4Mask = 0;
  cr4Shadow = 0;
  /** A bit a port; set: leaves. */
  readonly ioBitmap = new Uint8Array(0x2000).fill(0xff);
  /** MSRs whose reads and writes do not leave. */
  readonly passedMsrs = new Set<number>();
  /** Added to what RDTSC counts. */
  tscOffset = 0;
}

/** Whether an access to ports leaves. */
export function portLeaves(block: ControlBlock, port: number, width: number): boolean {
  for (let i = 0; i < width; i++) {
    const at = (port + i) & 0xffff;
    if ((block.ioBitmap[at >> 3]! >> (at & 7)) & 1) return true;
  }
  return false;
}
