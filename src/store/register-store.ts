// The register view's state: a snapshot of the processor, and what changed since the machine last stood still.

import type { CodeWindow, ContextSnapshot, RegisterReader, RegisterSnapshot } from "../protocol/register-view.ts";
import { GPR_NAMES, SEGMENT_NAMES } from "../protocol/register-view.ts";
import type { StatsReader } from "../protocol/stats-view.ts";
import { Observable } from "./observable.ts";

/** Snapshots while the machine runs. */
const RUNNING_MS = 150;

export interface RegisterState {
  readonly registers: RegisterSnapshot | null;
  /** While the machine stands still, the names of values that differ from the last stop: "EAX", "v.CS.base", "h.EFLAGS", "v.GDTR" ... */
  readonly changed: ReadonlySet<string>;
  /** Code at EIP, only while the machine stands still. */
  readonly code: CodeWindow | null;
}

function contextValues(context: ContextSnapshot, prefix: string): [string, string][] {
  return [
    [`${prefix}EFLAGS`, String(context.eflags)], [`${prefix}CPL`, String(context.cpl)],
    ...SEGMENT_NAMES.flatMap((name, index) =>
      Object.entries(context.segments[index]).map(([part, value]): [string, string] => [`${prefix}${name}.${part}`, String(value)])),
    [`${prefix}GDTR`, `${context.gdtr.base} ${context.gdtr.limit}`], [`${prefix}IDTR`, `${context.idtr.base} ${context.idtr.limit}`],
    [`${prefix}CR0`, String(context.cr0)], [`${prefix}CR2`, String(context.cr2)], [`${prefix}CR3`, String(context.cr3)], [`${prefix}CR4`, String(context.cr4)],
    ...context.dr.map((value, index): [string, string] => [`${prefix}DR${index < 4 ? index : index + 2}`, String(value)]),
  ];
}

function values(snapshot: RegisterSnapshot): Map<string, string> {
  return new Map<string, string>([
    ...GPR_NAMES.map((name, index): [string, string] => [name, String(snapshot.gpr[index])]),
    ["EIP", String(snapshot.eip)],
    ...contextValues(snapshot.virtual, "v."),
    ...(snapshot.hardware ? contextValues(snapshot.hardware, "h.") : []),
  ]);
}

export class RegisterStore {
  readonly state = new Observable<RegisterState>({ registers: null, changed: new Set(), code: null });
  private reader: RegisterReader | null = null;
  private stats: StatsReader | null = null;
  /** Values at the last stop. */
  private reference: Map<string, string> | null = null;
  private running = false;
  private readMs = -Infinity;

  bind(reader: RegisterReader | null, stats: StatsReader | null): void {
    this.reader = reader;
    this.stats = stats;
    this.reference = null;
    this.running = false;
    this.state.set({ registers: null, changed: new Set(), code: null });
    if (reader) this.stopped();
  }

  started(): void {
    this.running = true;
  }

  /** The machine stands still: the snapshot is exact and becomes what the next one is compared with. */
  stopped(): void {
    this.running = false;
    const now = this.read();
    if (now) this.reference = now;
  }

  /** Something was changed while the machine stands still. */
  look(): void {
    if (!this.running) this.read();
  }

  tick(nowMs: number): void {
    if (!this.running || nowMs - this.readMs < RUNNING_MS) return;
    this.readMs = nowMs;
    this.read();
  }

  private read(): Map<string, string> | null {
    const { reader } = this;
    if (!reader) return null;
    const registers = reader.read(this.stats?.scalar("attached") === 1);
    const now = values(registers);
    const changed = new Set<string>();
    const before = this.running ? null : this.reference;
    if (before) for (const [name, value] of now) if (before.has(name) && before.get(name) !== value) changed.add(name);
    this.state.set({ registers, changed, code: this.running ? null : reader.code() });
    return now;
  }
}
