// The registers that both sides show after every step.

export const REGISTERS = [
  "eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "eip", "eflags", "cs", "ss", "ds", "es", "fs", "gs", "cr0", "cr2", "cr3", "cr4",
] as const;
export type RegisterName = (typeof REGISTERS)[number];
export type ProcessorView = Record<RegisterName, number>;

/** What a segment register holds besides its selector; `access` as in state-layout.ts. */
export interface SegmentView {
  readonly base: number;
  readonly limit: number;
  readonly access: number;
}
