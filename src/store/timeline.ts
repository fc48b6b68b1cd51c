// What happened along guest time: events by class, the guest's mode, the monitor's share; from the machine's counters, or from an
// opened log's records. Summed into columns for whatever part a person looks at.

import { SERIES_GROUPS, SERIES_MODES, type StatsReader } from "../protocol/stats-view.ts";
import type { TrapFields } from "../trace/trap-fields.ts";

/** A stretch of guest time. */
export interface TimeRange {
  readonly fromNs: number;
  readonly toNs: number;
}

/** What the chart tells apart, and the groups of the counters that are in each. */
export const TIMELINE_CLASSES = [
  { id: "privilege", title: "privilege faults", groups: ["#GP", "#UD", "#NP #SS #TS"] },
  { id: "memory", title: "page faults", groups: ["#PF"] },
  { id: "breakpoint", title: "breakpoints", groups: ["#BP", "#DB"] },
  { id: "exception", title: "other exceptions", groups: ["#NM #MF", "other exception", "refused"] },
  { id: "interrupt", title: "interrupts", groups: ["IRQ", "INT SYSENTER"] },
  { id: "callout", title: "callouts", groups: ["callout"] },
  { id: "vm-exit", title: "VM exits", groups: ["VM exit"] },
  { id: "leak", title: "leaks", groups: ["leak"] },
  { id: "observed", title: "observed", groups: ["observed"] },
] as const;
export type TimelineClass = (typeof TIMELINE_CLASSES)[number]["id"];

const CLASS_GROUPS: readonly (readonly number[])[] = TIMELINE_CLASSES.map(({ groups }) => (groups as readonly string[]).map((name) => (SERIES_GROUPS as readonly string[]).indexOf(name)));

/** Counts in buckets of equal guest time. */
export interface Series {
  readonly bucketNs: number;
  readonly used: number;
  /** Events of TIMELINE_CLASSES[index]. */
  events(bucket: number, index: number): number;
  /** Guest nanoseconds in SERIES_MODES[mode]. */
  mode(bucket: number, mode: number): number;
  times(bucket: number): { readonly monitorNs: number; readonly runNs: number };
}

export interface TimelineColumn extends TimeRange {
  readonly events: readonly number[];
  readonly modes: readonly number[];
  /** 0-1; null: nobody measured it there. */
  readonly monitorShare: number | null;
}

export function statsSeries(stats: StatsReader): Series {
  return {
    bucketNs: stats.seriesBucketNs, used: stats.seriesUsed,
    events: (bucket, index) => CLASS_GROUPS[index].reduce((sum, group) => sum + stats.series(bucket, group), 0),
    mode: (bucket, mode) => stats.seriesMode(bucket, mode),
    times: (bucket) => stats.seriesTimes(bucket),
  };
}

const LOG_BUCKETS = 512;

function classOf({ kind, reason }: TrapFields): TimelineClass {
  if (kind !== "exit") return kind;
  switch (reason) {
    case "#GP": case "#UD": case "#NP": case "#SS": case "#TS": return "privilege";
    case "#PF": return "memory";
    case "#BP": case "#DB": return "breakpoint";
    case "IRQ": case "INT": case "SYSENTER": return "interrupt";
    case "CALLOUT": case "TCMISS": return "callout";
    default: return reason?.startsWith("VMX:") ? "vm-exit" : "exception";
  }
}

function modeOf({ mode, vcpl }: TrapFields): number {
  return mode === "real" ? 0 : mode === "v86" ? 1 : vcpl === 0 ? 2 : 3;
}

/** Of records in order of time. The mode between two is that of the later one. */
export function logSeries(traps: Iterable<TrapFields>, lastNs: number): Series {
  const bucketNs = Math.max(1, Math.ceil((lastNs + 1) / LOG_BUCKETS));
  const used = Math.floor(lastNs / bucketNs) + 1;
  const events = new Float64Array(used * TIMELINE_CLASSES.length), modes = new Float64Array(used * SERIES_MODES.length);
  let nowNs = 0;
  for (const trap of traps) {
    const bucket = Math.min(used - 1, Math.max(0, Math.floor(trap.timeNs / bucketNs)));
    events[bucket * TIMELINE_CLASSES.length + TIMELINE_CLASSES.findIndex(({ id }) => id === classOf(trap))]++;
    while (nowNs < trap.timeNs) {
      const at = Math.floor(nowNs / bucketNs), end = Math.min(trap.timeNs, (at + 1) * bucketNs);
      modes[Math.min(used - 1, at) * SERIES_MODES.length + modeOf(trap)] += end - nowNs;
      nowNs = end;
    }
  }
  return {
    bucketNs, used,
    events: (bucket, index) => events[bucket * TIMELINE_CLASSES.length + index],
    mode: (bucket, mode) => modes[bucket * SERIES_MODES.length + mode],
    times: () => ({ monitorNs: 0, runNs: 0 }),
  };
}

/** All time that the series covers. */
export function wholeRange({ bucketNs, used }: Series): TimeRange {
  return { fromNs: 0, toNs: Math.max(1, used) * bucketNs };
}

/** At most `most` columns of whole buckets that cover the range. */
export function columnsOf(series: Series, { fromNs, toNs }: TimeRange, most: number): TimelineColumn[] {
  const { bucketNs, used } = series;
  const first = Math.max(0, Math.floor(fromNs / bucketNs)), end = Math.min(used, Math.ceil(toNs / bucketNs));
  const step = Math.max(1, Math.ceil((end - first) / Math.max(1, most)));
  const columns: TimelineColumn[] = [];
  for (let from = first; from < end; from += step) {
    const to = Math.min(from + step, end);
    const events = TIMELINE_CLASSES.map(() => 0), modes = SERIES_MODES.map(() => 0);
    let monitorNs = 0, runNs = 0;
    for (let bucket = from; bucket < to; bucket++) {
      for (let index = 0; index < events.length; index++) events[index] += series.events(bucket, index);
      for (let mode = 0; mode < modes.length; mode++) modes[mode] += series.mode(bucket, mode);
      const times = series.times(bucket);
      monitorNs += times.monitorNs;
      runNs += times.runNs;
    }
    columns.push({ fromNs: from * bucketNs, toNs: to * bucketNs, events, modes, monitorShare: runNs > 0 ? Math.min(1, Math.max(0, monitorNs / runNs)) : null });
  }
  return columns;
}

/** A range moved by a part of its length, and scaled about `centre` (0-1 within it), inside of the whole; never shorter than `leastNs`. */
export function moved(range: TimeRange, whole: TimeRange, by: number, factor = 1, centre = 0.5, leastNs = 1): TimeRange {
  const length = range.toNs - range.fromNs, all = whole.toNs - whole.fromNs;
  const next = Math.min(all, Math.max(leastNs, length * factor));
  const at = range.fromNs + by * length + (length - next) * centre;
  const fromNs = Math.max(whole.fromNs, Math.min(whole.toNs - next, at));
  return { fromNs, toNs: fromNs + next };
}
