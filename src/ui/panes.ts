// Every pane of the workspace, one line each: where it stands in each preset (layout/presets.ts), and how it is loaded.
// Panes of one area become its tabs, in this order. In a narrow window all panes of the preset are tabs of one row.

import { lazy, type ComponentType, type LazyExoticComponent } from "react";
import type { View } from "../store/settings.ts";
import type { Area } from "./layout/presets.ts";

export interface Pane {
  readonly id: string;
  readonly title: string;
  readonly component: LazyExoticComponent<ComponentType>;
  /** The area it takes in each preset; a preset that is not named does not show it. */
  readonly areas: Readonly<Partial<Record<View, Area>>>;
  /** Shows an opened log as well, without a machine. */
  readonly log?: true;
  /** Stays mounted behind another tab: terminals keep their content. */
  readonly keep?: true;
  /** Has a bar of its own: alone in its area it needs no tab. */
  readonly bare?: true;
}

/** A component that is loaded when it is first shown. */
function part<K extends string>(name: K, load: () => Promise<Readonly<Record<K, ComponentType>>>): LazyExoticComponent<ComponentType> {
  return lazy(async () => ({ default: (await load())[name] }));
}

export const PANES: readonly Pane[] = [
  { id: "lab", title: "Lab", areas: { learn: "guide", debug: "guide" }, bare: true, component: part("LabPane", () => import("./lab/LabPane.tsx")) },
  { id: "console", title: "Console", areas: { learn: "console", debug: "console" }, keep: true, bare: true, component: part("ConsolePanel", () => import("./console/ConsolePanel.tsx")) },
  { id: "code", title: "Code", areas: { learn: "machine" }, component: part("CodeView", () => import("./panels/CodeView.tsx")) },
  { id: "disassembly", title: "Disassembly", areas: { debug: "code" }, component: part("CodePane", () => import("./debug/CodePane.tsx")) },
  { id: "breakpoints", title: "Breakpoints", areas: { debug: "code" }, component: part("BreakpointPane", () => import("./debug/BreakpointPane.tsx")) },
  { id: "program", title: "Program", areas: { debug: "code" }, component: part("ScratchPane", () => import("./debug/ScratchPane.tsx")) },
  { id: "registers", title: "Registers", areas: { learn: "machine", debug: "registers" }, component: part("RegisterView", () => import("./panels/RegisterView.tsx")) },
  { id: "memory", title: "Memory", areas: { debug: "data" }, component: part("MemoryPane", () => import("./debug/MemoryPane.tsx")) },
  { id: "tables", title: "Tables", areas: { debug: "data" }, component: part("TablesPane", () => import("./debug/TablesPane.tsx")) },
  { id: "devices", title: "Devices", areas: { debug: "data" }, component: part("DevicesPane", () => import("./debug/DevicesPane.tsx")) },
  { id: "time", title: "Time", areas: { debug: "data" }, component: part("TimePane", () => import("./debug/TimePane.tsx")) },
  { id: "traps", title: "Traps", areas: { learn: "traps", debug: "traps" }, log: true, component: part("TrapPanel", () => import("./traps/TrapPanel.tsx")) },
  { id: "timeline", title: "Timeline", areas: { learn: "traps", debug: "traps" }, log: true, component: part("Timeline", () => import("./timeline/Timeline.tsx")) },
  { id: "compare", title: "Compare", areas: { compare: "compare" }, bare: true, component: part("Compare", () => import("./compare/Compare.tsx")) },
];
