// The area that each pane takes in each preset; a preset that is not named does not show it.

import type { SettingsStore, View } from "../../store/settings.ts";
import type { Area } from "./presets.ts";

export const PLACES = {
  lab: { learn: "guide", debug: "guide" },
  console: { learn: "console", debug: "console" },
  code: { learn: "machine" },
  disassembly: { debug: "code" },
  breakpoints: { debug: "code" },
  program: { debug: "code" },
  registers: { learn: "machine", debug: "registers" },
  memory: { debug: "data" },
  tables: { debug: "data" },
  devices: { debug: "data" },
  time: { debug: "data" },
  traps: { learn: "traps", debug: "traps" },
  timeline: { learn: "traps", debug: "traps" },
  compare: { compare: "compare" },
} as const satisfies Readonly<Record<string, Readonly<Partial<Record<View, Area>>>>>;

/** Brings a pane to the front of its tabs, in a wide window and in a narrow one. */
export function showPane(settings: SettingsStore, id: keyof typeof PLACES): void {
  const { view, tabs } = settings.state.get(), areas: Readonly<Partial<Record<View, Area>>> = PLACES[id], area = areas[view];
  if (area !== undefined) settings.patch({ tabs: { ...tabs, [`${view}.${area}`]: id, [`${view}.narrow`]: id } });
}
