// The cost model on the command line: which profile, which figures of one's own, and one line about it.

import { UsageError } from "../base/errors.ts";
import { COST_PROFILES, type CostProfile, costProfileOf, type Countables, FIGURE_NAMES, type FigureName, modelledCost, withFigure } from "../trace/cost-model.ts";
import type { Arguments, OptionSpecs } from "./arguments.ts";

const DEFAULT_PROFILE = "core2";

export const COST_OPTIONS = {
  profile: { value: COST_PROFILES.map(({ id }) => id).join("|"), help: `model the cost of the exits on this processor (default: ${DEFAULT_PROFILE})` },
  cost: { value: "NAME=CYCLES", repeats: true, help: `with another figure: ${FIGURE_NAMES.join(", ")}` },
} as const satisfies OptionSpecs;

export function costProfile(args: Arguments): CostProfile {
  const id = args.get("profile") ?? DEFAULT_PROFILE;
  let profile = costProfileOf(id);
  if (!profile) throw new UsageError(`--profile ${id}: one of ${COST_PROFILES.map((known) => known.id).join(", ")} is needed.`);
  for (const text of args.all("cost")) {
    const [, name = "", cycles = ""] = /^([a-z-]+)=(\d+(?:\.\d+)?)$/.exec(text) ?? [];
    if (!(FIGURE_NAMES as readonly string[]).includes(name)) throw new UsageError(`--cost ${text}: give one of ${FIGURE_NAMES.join(", ")} and its cycles, as in fault=1500.`);
    profile = withFigure(profile, name as FigureName, Number(cycles));
  }
  return profile;
}

/** What the host measured of the monitor. */
export interface HostMeasure {
  readonly monitorNs: number;
  readonly exits: number;
}

/** Null where nothing left. */
export function hostNsPerExit({ monitorNs, exits }: HostMeasure): number | null {
  return exits === 0 ? null : Number((monitorNs / exits).toPrecision(4));
}

/** The modelled cost, and beside it what was measured here. */
export function costLine(profile: CostProfile, counts: Countables, host: HostMeasure): string {
  const { cycles, bareCycles, seconds, starred } = modelledCost(profile, counts);
  const ns = hostNsPerExit(host);
  const modelled = `modelled on ${profile.name}: ${cycles.toExponential(3)} cycles${starred ? "*" : ""}, ${seconds.toPrecision(3)} s, ${bareCycles === 0 ? "-" : (cycles / bareCycles).toPrecision(3)} times bare`;
  return ns === null ? modelled : `${modelled}; measured on this host: ${ns.toPrecision(3)} ns an exit`;
}
