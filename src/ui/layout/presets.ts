// The three presets: which areas the window is divided into. Which panes stand in an area: ../panes.ts.

import type { View } from "../../store/settings.ts";

const AREAS = ["guide", "console", "code", "registers", "machine", "data", "traps", "compare"] as const;
export type Area = (typeof AREAS)[number];

/** An area, or parts beside ("columns") or below each other ("rows") with their shares of the room. */
export type LayoutNode = Area | LayoutSplit;

export interface LayoutSplit {
  /** Names the split in the settings and for screen readers. */
  readonly name: string;
  readonly split: "columns" | "rows";
  readonly parts: readonly { readonly node: LayoutNode; readonly share: number }[];
}

const split = (name: string, kind: LayoutSplit["split"], ...parts: readonly (readonly [LayoutNode, number])[]): LayoutSplit => ({
  name, split: kind, parts: parts.map(([node, share]) => ({ node, share })),
});

export const PRESETS: Readonly<Record<View, LayoutNode>> = {
  learn: split("columns", "columns",
    ["guide", 24],
    [split("left side", "rows", ["console", 58], ["machine", 42]), 46],
    ["traps", 54]),
  debug: split("columns", "columns",
    ["guide", 22],
    [split("left side", "rows", [split("code and registers", "columns", ["code", 53], ["registers", 47]), 58], ["data", 42]), 54],
    [split("right side", "rows", ["console", 46], ["traps", 54]), 46]),
  compare: split("columns", "columns", ["guide", 24], ["compare", 76]),
};

export const PRESET_TEXTS: Readonly<Record<View, { readonly name: string; readonly line: string }>> = {
  learn: { name: "Learn", line: "Console and traps, with explanations" },
  debug: { name: "Debug", line: "Code, registers and memory beside the console" },
  compare: { name: "Compare", line: "One guest under several techniques" },
};
