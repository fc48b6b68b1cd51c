// Every pane of the workspace, one line each: how it is loaded, and where it stands in each preset (layout/places.ts).
// Panes of one area become its tabs, in this order. In a narrow window all panes of the preset are tabs of one row.

import { lazy, type ComponentType, type LazyExoticComponent } from "react";
import type { View } from "../store/settings.ts";
import { PLACES } from "./layout/places.ts";
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
  { id: "lab", title: "Lab", areas: PLACES.lab, bare: true, component: part("LabPane", () => import("./lab/LabPane.tsx")) },
  { id: "console", title: "Console", areas: PLACES.console, keep: true, bare: true, component: part("ConsolePanel", () => import("./console/ConsolePanel.tsx")) },
  { id: "code", title: "Code", areas: PLACES.code, component: part("CodeView", () => import("./panels/CodeView.tsx")) },
  { id: "disassembly", title: "Disassembly", areas: PLACES.disassembly, component: part("CodePane", () => import("./debug/CodePane.tsx")) },
  { id: "breakpoints", title: "Breakpoints", areas: PLACES.breakpoints, component: part("BreakpointPane", () => import("./debug/BreakpointPane.tsx")) },
  { id: "program", title: "Program", areas: PLACES.program, component: part("ScratchPane", () => import("./debug/ScratchPane.tsx")) },
  { id: "registers", title: "Registers", areas: PLACES.registers, component: part("RegisterView", () => import("./panels/RegisterView.tsx")) },
  { id: "memory", title: "Memory", areas: PLACES.memory, component: part("MemoryPane", () => import("./debug/MemoryPane.tsx")) },
  { id: "tables", title: "Tables", areas: PLACES.tables, component: part("TablesPane", () => import("./debug/TablesPane.tsx")) },
  { id: "devices", title: "Devices", areas: PLACES.devices, component: part("DevicesPane", () => import("./debug/DevicesPane.tsx")) },
  { id: "time", title: "Time", areas: PLACES.time, component: part("TimePane", () => import("./debug/TimePane.tsx")) },
  { id: "traps", title: "Traps", areas: PLACES.traps, log: true, component: part("TrapPanel", () => import("./traps/TrapPanel.tsx")) },
  { id: "timeline", title: "Timeline", areas: PLACES.timeline, log: true, component: part("Timeline", () => import("./timeline/Timeline.tsx")) },
  { id: "compare", title: "Compare", areas: PLACES.compare, bare: true, component: part("Compare", () => import("./compare/Compare.tsx")) },
];
