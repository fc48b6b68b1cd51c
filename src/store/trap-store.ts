// The trap panel's state. It reads the shared ring once per animation frame and publishes a snapshot a few times a second;
// nothing is stored per trap but, with a filter, the numbers of the records that pass.

import type { RegisterTraceReader, TracedRegisters } from "../protocol/register-trace.ts";
import type { StatsReader } from "../protocol/stats-view.ts";
import { FAMILY_LEAK, FAMILY_OBSERVED, FAMILY_TRAP } from "../protocol/stats-view.ts";
import type { FilterError, TrapPredicate } from "../trace/filter.ts";
import { compileFilter } from "../trace/filter.ts";
import type { Grouping } from "../trace/group-by.ts";
import { groupKey, TrapGroups } from "../trace/group-by.ts";
import type { TrapFields } from "../trace/trap-fields.ts";
import { copyFields } from "../trace/trap-row.ts";
import type { GroupRow } from "./group-rows.ts";
import { countedGroups, isCounted, recordedGroups } from "./group-rows.ts";
import type { LogSource } from "./log-source.ts";
import { Observable } from "./observable.ts";
import { logSeries, type Series, statsSeries, type TimeRange } from "./timeline.ts";

/** A frame may spend this long on filtering. */
const SCAN_MS = 4;
const SCAN_STEP = 256;
/** Snapshots while the machine runs: ten a second can be read, sixty cannot. */
const PUBLISH_MS = 100;
/** Where drawing a snapshot makes the next frame late, they come less often, down to four a second. */
const LATE_MS = 30, SLOWEST_MS = 250;
const GROUP_MS = 500;

export interface TrapTotals {
  readonly traps: number;
  readonly callouts: number;
  readonly leaks: number;
  readonly observed: number;
}

export interface TrapState {
  /** Rows in the list. */
  readonly count: number;
  /** Changes when the same position may show another row. */
  readonly revision: number;
  readonly following: boolean;
  /** Rows that came since the list was held. */
  readonly newer: number;
  /** Records overwritten in the ring. */
  readonly dropped: number;
  readonly filter: string;
  readonly filterError: FilterError | null;
  /** Only records of this stretch of guest time are shown. */
  readonly brush: TimeRange | null;
  /** Numbers of the records that the person marked. */
  readonly marks: ReadonlySet<number>;
  /** Part of the ring that the filter has looked at, 0-1. */
  readonly scanned: number;
  readonly grouping: Grouping | null;
  readonly groups: readonly GroupRow[];
  /** The groups are the machine's own exact counts; else sums over the records that are held. */
  readonly exact: boolean;
  readonly selected: TrapFields | null;
  /** The guest's registers around the selected record, where they were still kept. */
  readonly selectedRegisters: TracedRegisters | null;
  readonly totals: TrapTotals;
  /** The rows come from a file: its name. */
  readonly file: string | null;
}

const NO_TOTALS: TrapTotals = { traps: 0, callouts: 0, leaks: 0, observed: 0 };

/** The numbers of the records that passed the filter, oldest first. An index stays valid while the front is dropped. */
class Matches {
  private numbers: number[] = [];
  private dropped = 0;
  private kept = 0;

  get first(): number { return this.dropped + this.kept; }
  get end(): number { return this.dropped + this.numbers.length; }

  push(sequence: number): void {
    this.numbers.push(sequence);
  }

  at(index: number): number | undefined {
    return this.numbers[index - this.dropped];
  }

  dropBefore(sequence: number): void {
    while (this.kept < this.numbers.length && this.numbers[this.kept] < sequence) this.kept++;
    if (this.kept < 65_536) return;
    this.numbers = this.numbers.slice(this.kept);
    this.dropped += this.kept;
    this.kept = 0;
  }
}

export class TrapStore {
  readonly state = new Observable<TrapState>({
    count: 0, revision: 0, following: true, newer: 0, dropped: 0, filter: "", filterError: null, brush: null, marks: new Set(), scanned: 1, grouping: null, groups: [], exact: true,
    selected: null, selectedRegisters: null, totals: NO_TOTALS, file: null,
  });
  private source: LogSource | null = null;
  private stats: StatsReader | null = null;
  private registers: RegisterTraceReader | null = null;
  private filterTest: TrapPredicate | null = null;
  /** Null: no filter, and an index is a sequence number. */
  private matches: Matches | null = null;
  private groups: TrapGroups | null = null;
  /** The next record for the filter and the groups. */
  private cursor = 0;
  /** The list, in indices. Held: they stay. */
  private first = 0;
  private end = 0;
  private dirty = true;
  private groupsStale = true;
  private publishedMs = -Infinity;
  private intervalMs = PUBLISH_MS;
  private drawing = false;
  private groupedMs = -Infinity;
  private seenTotal = -1;
  private fileTotals = NO_TOTALS;
  private fileSeries: Series | null = null;

  /** Shows a machine's log. */
  bind(source: LogSource, stats: StatsReader, registers: RegisterTraceReader | null = null): void {
    this.registers = registers;
    this.show(source, stats, null, new Set());
  }

  /** Shows a log that was read from a file. */
  open(source: LogSource, file: string, marks: ReadonlySet<number> = new Set()): void {
    this.registers = null;
    this.show(source, null, file, marks);
  }

  /** Back to nothing. */
  close(): void {
    this.source = this.stats = this.registers = null;
    this.state.patch({ file: null, selected: null, count: 0, groups: [], marks: new Set(), brush: null });
  }

  private show(source: LogSource, stats: StatsReader | null, file: string | null, marks: ReadonlySet<number>): void {
    this.source = source;
    this.stats = stats;
    this.fileSeries = null;
    this.fileTotals = file === null ? NO_TOTALS : sumTotals(source);
    this.state.patch({ selected: null, file, marks, brush: null });
    this.rescan();
    this.tick(this.publishedMs + SLOWEST_MS, file !== null);
  }

  setFilter(filter: string): void {
    const result = compileFilter(filter);
    if (!result.ok) {
      this.state.patch({ filter, filterError: result });
      return;
    }
    this.filterTest = filter.trim() === "" ? null : result.test;
    this.state.patch({ filter, filterError: null });
    this.rescan();
  }

  /** Narrows the filter that there is. */
  addFilter(filter: string, how: "and" | "or" = "and"): void {
    const { filter: own, filterError } = this.state.get();
    this.setFilter(own.trim() === "" || filterError ? filter : `${bracketed(own)} ${how} ${bracketed(filter)}`);
  }

  setBrush(brush: TimeRange | null): void {
    this.state.patch({ brush });
    this.rescan();
  }

  /** What a record must pass; null: anything may. */
  private get test(): TrapPredicate | null {
    const { filterTest } = this, { brush } = this.state.get();
    if (!brush) return filterTest;
    const { fromNs, toNs } = brush;
    return (trap) => trap.timeNs >= fromNs && trap.timeNs <= toNs && (!filterTest || filterTest(trap));
  }

  toggleMark(sequence: number): void {
    const marks = new Set(this.state.get().marks);
    if (!marks.delete(sequence)) marks.add(sequence);
    this.state.patch({ marks });
  }

  /** Selects the next (1) or previous (-1) marked record of the list. False: there is none. */
  selectMark(direction: 1 | -1): boolean {
    const { marks, selected } = this.state.get();
    const from = selected?.seq ?? (direction > 0 ? -1 : Infinity);
    const ahead = [...marks].filter((seq) => (direction > 0 ? seq > from : seq < from)).sort((x, y) => (x - y) * direction);
    for (const seq of ahead) {
      const position = this.indexOf(seq);
      if (position < 0) continue; // filtered out, or overwritten
      this.select(position);
      return true;
    }
    return false;
  }

  /** What happened along guest time; null: there is nothing to show. An opened log is summed up once. */
  series(): Series | null {
    const { source, stats } = this;
    if (stats) return statsSeries(stats);
    if (!source || source.total === source.oldest) return null;
    this.fileSeries ??= logSeries(rowsOf(source), source.read(source.total - 1)?.timeNs ?? 0);
    return this.fileSeries;
  }

  /** Instructions that have been counted, for a filter that is being typed. */
  get instructions(): readonly string[] {
    const { stats } = this;
    return stats ? [...new Set([FAMILY_TRAP, FAMILY_LEAK, FAMILY_OBSERVED].flatMap((family) => stats.mnemonics(family).map(({ name }) => name)))].sort() : [];
  }

  setGrouping(grouping: Grouping | null): void {
    this.state.patch({ grouping, groups: [] });
    this.rescan();
  }

  /** Looks at everything that is held again, under the present filter and grouping. */
  private rescan(): void {
    const { grouping } = this.state.get();
    const filtered = this.test !== null;
    this.matches = filtered ? new Matches() : null;
    this.groups = grouping && (filtered || !this.stats || !isCounted(grouping)) ? new TrapGroups(grouping) : null;
    this.cursor = this.source?.oldest ?? 0;
    this.groupedMs = -Infinity;
    this.groupsStale = true;
    this.follow();
  }

  /** Shows the newest rows and goes on doing so. */
  follow(): void {
    this.state.patch({ following: true, newer: 0 });
    this.dirty = true;
  }

  /** Keeps the rows that are shown now. */
  hold(): void {
    if (!this.state.get().following || this.state.get().file !== null) return;
    this.state.patch({ following: false });
    this.dirty = true;
  }

  select(position: number): void {
    const row = this.row(position);
    if (!row) return;
    this.hold();
    const selected = copyFields(row);
    this.state.patch({ selected, selectedRegisters: this.registers?.read(selected.seq) ?? null });
  }

  deselect(): void {
    this.state.patch({ selected: null });
  }

  /** Moves the selection to the next (1) or previous (-1) record of the same instruction at the same place. */
  selectSameSite(direction: 1 | -1): boolean {
    const { selected } = this.state.get();
    if (!selected) return false;
    const key = groupKey(selected, "site");
    const { count } = this.state.get();
    for (let position = this.indexOf(selected.seq) + direction; position >= 0 && position < count; position += direction) {
      const row = this.row(position);
      if (!row || groupKey(row, "site") !== key) continue;
      this.select(position);
      return true;
    }
    return false;
  }

  /** The row at a position of the list; null when its record was overwritten. It lasts until the next call. */
  row(position: number): TrapFields | null {
    const sequence = this.matches ? this.matches.at(this.first + position) : this.first + position;
    return sequence === undefined ? null : (this.source?.read(sequence) ?? null);
  }

  /** Position of a record in the list, or -1. Records are in order of their numbers. */
  indexOf(sequence: number): number {
    let low = 0, high = this.end - this.first - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const own = this.row(middle)?.seq ?? -1; // what was overwritten is older than anything
      if (own === sequence) return middle;
      if (own < sequence) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  /** One animation frame. `all`: look at everything now, however long it takes. */
  tick(nowMs: number, all = false): void {
    const { source } = this;
    if (!source) return;
    if (this.drawing) {
      const late = nowMs - this.publishedMs > LATE_MS;
      this.intervalMs = Math.max(PUBLISH_MS, Math.min(SLOWEST_MS, this.intervalMs + (late ? 50 : -10)));
      this.drawing = false;
    }
    const { total } = source;
    if (total < this.seenTotal) this.rescan(); // the machine was reset and its log begins again
    if (this.matches || this.groups) this.scan(source, total, all);
    if (total !== this.seenTotal) {
      this.seenTotal = total;
      this.dirty = this.groupsStale = true;
    }
    const groupsDue = this.groupsStale && this.state.get().grouping !== null && nowMs - this.groupedMs >= GROUP_MS;
    if (!(this.dirty || groupsDue) || nowMs - this.publishedMs < this.intervalMs) return;
    this.publishedMs = nowMs;
    this.drawing = true;
    this.publish(source, total, groupsDue, nowMs);
  }

  private scan(source: LogSource, total: number, all: boolean): void {
    const { oldest } = source;
    if (this.cursor < oldest) this.cursor = oldest;
    if (this.cursor === total) return;
    const start = performance.now();
    const { test } = this;
    while (this.cursor < total && (all || performance.now() - start < SCAN_MS)) {
      for (const end = Math.min(this.cursor + SCAN_STEP, total); this.cursor < end; this.cursor++) {
        const row = source.read(this.cursor);
        if (!row || (test && !test(row))) continue;
        this.matches?.push(this.cursor);
        this.groups?.add(row);
      }
    }
    this.dirty = this.groupsStale = true;
  }

  private publish(source: LogSource, total: number, groupsDue: boolean, nowMs: number): void {
    const { stats, matches } = this;
    const before = this.state.get();
    const { oldest } = source;
    const newest = matches ? matches.end : total;
    if (before.following) {
      matches?.dropBefore(oldest);
      this.first = matches ? matches.first : oldest;
      this.end = newest;
    }
    let { groups } = before;
    if (groupsDue && before.grouping) {
      this.groupedMs = nowMs;
      this.groupsStale = false;
      groups = this.groups ? recordedGroups(this.groups) : ((stats && countedGroups(stats, before.grouping)) ?? []);
    }
    this.dirty = false;
    this.state.set({
      ...before, groups, exact: this.groups === null, count: this.end - this.first, newer: newest - this.end, revision: before.revision + 1, dropped: before.file === null ? oldest : 0,
      scanned: (matches || this.groups) && total > oldest ? (this.cursor - oldest) / (total - oldest) : 1,
      totals: stats
        ? { traps: stats.scalar("traps"), callouts: stats.scalar("callouts"), leaks: stats.scalar("leaks"), observed: stats.scalar("observed") }
        : this.fileTotals,
    });
  }

  /** Events of one instruction since the machine started, exact: traps, leaks, observed. Null without counters. */
  instructionTotals(mnemonic: string): TrapTotals | null {
    const { stats } = this;
    if (!stats) return null;
    const count = (family: number): number => stats.mnemonics(family).find((row) => row.name === mnemonic)?.count ?? 0;
    return { traps: count(FAMILY_TRAP), callouts: 0, leaks: count(FAMILY_LEAK), observed: count(FAMILY_OBSERVED) };
  }
}

/** So that it can stand beside `and` and behind `not`. */
export function bracketed(filter: string): string {
  return /\b(and|or|not)\b|&&|\|\||!(?!=)/i.test(filter) ? `(${filter})` : filter;
}

function* rowsOf(source: LogSource): Iterable<TrapFields> {
  for (let at = source.oldest; at < source.total; at++) {
    const row = source.read(at);
    if (row) yield row;
  }
}

function sumTotals(source: LogSource): TrapTotals {
  const totals = { traps: 0, callouts: 0, leaks: 0, observed: 0 };
  for (let at = source.oldest; at < source.total; at++) {
    const row = source.read(at);
    if (!row) continue;
    if (row.kind === "leak") totals.leaks++;
    else if (row.kind === "observed") totals.observed++;
    else if (row.reason === "CALLOUT" || row.reason === "TCMISS") totals.callouts++;
    else totals.traps++;
  }
  return totals;
}
