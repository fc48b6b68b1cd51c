// The registers that both sides show after every step.

export const REGISTERS = [
  "eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "eip", "eflags", "cs", "ss", "ds", "es", "fs", "gs", "cr0", "cr2", "cr3", "cr4",
] as const;
export type RegisterName = (typeof REGISTERS)[number];
export type ProcessorView = Record<RegisterName, number>;

const ACCESSED = 1, PRESENT = 0x80, UNUSABLE = 0x1_0000;

/** Registers that are compared now and then, as they cost a round trip: tables, hidden parts of segment registers, debug registers. By name, in hexadecimal. */
export type SystemView = ReadonlyMap<string, string>;

/** What a segment register holds besides its selector; `access` as in state-layout.ts. */
export interface SegmentView {
  readonly base: number;
  readonly limit: number;
  readonly access: number;
}

/** What an unusable register holds is open; a busy TSS is the descriptor's matter; accessed bits are compared in memory. */
export function describeSegment(into: Map<string, string>, name: string, selector: number, base: string, limit: string, access: number): void {
  if (name === "ldt" || name === "tr") into.set(name, `${selector.toString(16)} ${base} ${limit}`);
  else into.set(`hidden ${name}`, access & UNUSABLE || (access & PRESENT) === 0 ? "unusable" : `${base} ${limit} ${(access & ~ACCESSED).toString(16)}`);
}
