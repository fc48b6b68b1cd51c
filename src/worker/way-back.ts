// Where a way back leads to.

import type { Machine } from "../machine/machine.ts";
import type { History } from "../machine/replay.ts";
import type { BackTarget } from "../protocol/debug.ts";
import { emptyRawTrap, KIND_EXIT, KIND_LEAK, TrapReader } from "../protocol/trap-record.ts";

/** False: the past that is kept holds no such place, and the machine stands where it stood or at the beginning of that past. */
export function goBack(machine: Machine, history: History, to: BackTarget): boolean {
  const { now, oldest } = history;
  switch (to.kind) {
    case "instructions": history.goTo(Math.max(oldest, now - to.count)); return true;
    case "instant": history.goTo(Math.max(oldest, to.retired)); return true;
    case "record": {
      const at = lastRecord(machine, now, to.records);
      if (at === null || at < oldest) return false;
      history.goTo(at);
      return true;
    }
    case "breakpoint": return history.runBackTo(machine.breakpoints.list().map(([, breakpoint]) => breakpoint)) !== null;
    case "write": return history.runBackTo([{ kind: "data", access: "write", linear: to.linear, bytes: to.bytes }]) !== null;
  }
}

/** Instructions that had retired at the last exit or leak before `now`; null: the ring holds none. */
function lastRecord({ map }: Machine, now: number, records: "trap" | "leak"): number | null {
  const reader = new TrapReader(map.buffer, map.view.trapRing, map.view.trapSites), raw = emptyRawTrap();
  for (let sequence = reader.total - 1; sequence >= reader.oldest; sequence--) {
    if (reader.read(sequence, raw) && raw.kind === (records === "trap" ? KIND_EXIT : KIND_LEAK) && raw.icount < now) return raw.icount;
  }
  return null;
}
