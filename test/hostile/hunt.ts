// Runs guest after guest until the time is over or one of them breaks something.

import type { HostileKind, HostileMachine } from "./hostile-machine.ts";

/** Processor time: a guest that keeps the host this long without coming back makes a page that cannot be stopped. */
const LONGEST_EPISODE_MS = 20_000;
/** Resident memory that a run of hostile guests may add. */
const MEMORY_BOUND = 1 << 30;

export interface HuntResult {
  readonly guests: number;
  /** The seed and what went wrong, or null. */
  readonly failure: string | null;
}

/** Milliseconds of processor time that this process has had. Wall time would make a hunt on a busy host a shorter one. */
function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** @param time processor time in milliseconds */
export function hunt(hostile: HostileMachine, kind: HostileKind, firstSeed: number, time: number): HuntResult {
  const deadline = processorTime() + time;
  const residentBefore = process.memoryUsage.rss();
  let guests = 0;
  for (let seed = firstSeed; guests === 0 || processorTime() < deadline; seed++) {
    const before = processorTime();
    const failed = (why: string): HuntResult => ({ guests, failure: `seed ${seed}, ${kind} under ${hostile.name}: ${why}` });
    try {
      hostile.episode(kind, seed);
    } catch (error) {
      return failed(error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
    guests++;
    const milliseconds = processorTime() - before;
    if (milliseconds > LONGEST_EPISODE_MS) return failed(`it took ${Math.round(milliseconds)} ms`);
    if (process.memoryUsage.rss() - residentBefore > MEMORY_BOUND) return failed("the process grows without bound");
  }
  return { guests, failure: null };
}
