// Sums over rows, by instruction, site, page, cause or technique. Fed row by row; the caller decides which rows.

import type { TrapFields } from "./trap-fields.ts";
import { hex, modelledCycles } from "./trap-fields.ts";
import { copyFields } from "./trap-row.ts";

export const GROUPINGS = ["instruction", "site", "page", "reason", "technique"] as const;
export type Grouping = (typeof GROUPINGS)[number];

export interface TrapGroup {
  readonly key: string;
  exits: number;
  leaks: number;
  observed: number;
  /** Modelled cycles of all its exits. */
  cost: number;
  readonly firstIcount: number;
  lastIcount: number;
  /** One row of the group, to show what it is. */
  readonly sample: TrapFields;
}

export function groupTotal(group: Pick<TrapGroup, "exits" | "leaks" | "observed">): number {
  return group.exits + group.leaks + group.observed;
}

/** Site: the same bytes at the same address in the same mode and rings. */
export function groupKey(trap: TrapFields, by: Grouping): string {
  switch (by) {
    case "instruction": return trap.instruction;
    case "page": return `${hex(trap.linear >>> 12, 5)}000`;
    case "reason": return trap.reason ?? trap.kind;
    case "technique": return trap.technique ?? "(not recorded)";
    case "site": return `${trap.linear} ${trap.cs} ${trap.mode} ${trap.vcpl} ${trap.hcpl} ${trap.bytes ? trap.bytes.join(" ") : ""}`;
  }
}

export class TrapGroups {
  readonly by: Grouping;
  private readonly groups = new Map<string, TrapGroup>();

  constructor(by: Grouping) {
    this.by = by;
  }

  add(trap: TrapFields): void {
    const key = groupKey(trap, this.by);
    let group = this.groups.get(key);
    if (!group) {
      group = { key, exits: 0, leaks: 0, observed: 0, cost: 0, firstIcount: trap.icount, lastIcount: 0, sample: copyFields(trap) };
      this.groups.set(key, group);
    }
    if (trap.kind === "exit") group.exits++;
    else if (trap.kind === "leak") group.leaks++;
    else group.observed++;
    group.cost += modelledCycles(trap);
    group.lastIcount = trap.icount;
  }

  /** Largest first. */
  sorted(): TrapGroup[] {
    return [...this.groups.values()].sort((x, y) => groupTotal(y) - groupTotal(x) || (x.key < y.key ? -1 : 1));
  }
}
