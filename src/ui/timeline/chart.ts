// Draws the timeline on a canvas: stacked columns of events, a track of the guest's mode, a track of the monitor's share, the axis.

import { SERIES_MODES } from "../../protocol/stats-view.ts";
import { TIMELINE_CLASSES, type TimelineColumn, type TimeRange } from "../../store/timeline.ts";
import { short } from "../format.ts";

export const MODE_TRACK = 12, SHARE_TRACK = 26, AXIS = 18, GAP = 5;
/** Below the columns. */
export const TRACKS = MODE_TRACK + SHARE_TRACK + AXIS + GAP * 2;
const TICK_PIXELS = 110;

export interface Colours {
  readonly classes: readonly string[];
  readonly modes: readonly string[];
  readonly share: string;
  readonly text: string;
  readonly line: string;
  readonly brush: string;
}

/** The theme's colours as a canvas wants them. */
export function themeColours(element: Element): Colours {
  const style = getComputedStyle(element);
  // light-dark() is resolved only in a property that is used.
  const probe = document.createElement("span");
  element.append(probe);
  const colour = (name: string): string => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const colours = {
    classes: TIMELINE_CLASSES.map(({ id }) => colour(`--series-${id}`)), modes: SERIES_MODES.map((_, mode) => colour(`--mode-${mode}`)), share: colour("--trap"),
    text: colour("--muted"), line: colour("--line"), brush: colour("--accent"),
  };
  probe.remove();
  return { ...colours, text: colours.text || style.color };
}

export interface Picture {
  readonly columns: readonly TimelineColumn[];
  readonly view: TimeRange;
  readonly brush: TimeRange | null;
  /** Indices in TIMELINE_CLASSES. */
  readonly shown: readonly number[];
}

export function timeText(ns: number, stepNs: number): string {
  if (stepNs >= 1e9) return `${(ns / 1e9).toFixed(0)} s`;
  if (stepNs >= 1e6) return `${(ns / 1e9).toFixed(stepNs >= 1e8 ? 1 : stepNs >= 1e7 ? 2 : 3)} s`;
  return stepNs >= 1e3 ? `${(ns / 1e6).toFixed(stepNs >= 1e5 ? 1 : 3)} ms` : `${(ns / 1e3).toFixed(1)} µs`;
}

function niceStep(span: number, most: number): number {
  const rough = span / Math.max(1, most), power = 10 ** Math.floor(Math.log10(rough));
  return power * ([1, 2, 5].find((step) => step * power >= rough) ?? 10);
}

export function drawTimeline(canvas: HTMLCanvasElement, width: number, height: number, { columns, view, brush, shown }: Picture, colours: Colours): void {
  const ratio = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  if (!context) return;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = "11px system-ui, sans-serif";
  const x = (ns: number): number => ((ns - view.fromNs) / (view.toNs - view.fromNs)) * width;
  const plot = height - TRACKS;
  // By time, so that a wider last column is no higher.
  const rate = ({ fromNs, toNs }: TimelineColumn, events: number): number => (events / (toNs - fromNs)) * 1e9;
  const most = Math.max(1e-9, ...columns.map((column) => rate(column, shown.reduce((sum, index) => sum + column.events[index], 0))));
  context.strokeStyle = colours.line;
  context.fillStyle = colours.text;
  const stepNs = niceStep(view.toNs - view.fromNs, width / TICK_PIXELS);
  for (let at = Math.ceil(view.fromNs / stepNs) * stepNs; at <= view.toNs; at += stepNs) {
    const left = Math.round(x(at)) + 0.5;
    context.beginPath();
    context.moveTo(left, 0);
    context.lineTo(left, height - AXIS + 4);
    context.stroke();
    context.fillText(timeText(at, stepNs), Math.min(left + 3, width - 44), height - 5);
  }
  columns.forEach((column) => {
    const left = x(column.fromNs), right = Math.max(left + 1, x(column.toNs) - (x(column.toNs) - left > 4 ? 1 : 0));
    let top = plot;
    for (const index of shown) {
      const high = (rate(column, column.events[index]) / most) * (plot - 14);
      if (high === 0) continue;
      context.fillStyle = colours.classes[index];
      // What there is can be seen, however little.
      const own = Math.max(high, 1);
      context.fillRect(left, top - own, right - left, own);
      top -= own;
    }
    const spent = column.modes.reduce((sum, own) => sum + own, 0);
    let mode = left;
    column.modes.forEach((own, index) => {
      if (own === 0) return;
      const wide = (own / spent) * (x(column.toNs) - left);
      context.fillStyle = colours.modes[index];
      context.fillRect(mode, plot + GAP, wide + 0.5, MODE_TRACK);
      mode += wide;
    });
    if (column.monitorShare !== null) {
      const high = column.monitorShare * SHARE_TRACK;
      context.fillStyle = colours.share;
      context.fillRect(left, plot + GAP * 2 + MODE_TRACK + SHARE_TRACK - high, x(column.toNs) - left + 0.5, high);
    }
  });
  context.fillStyle = colours.text;
  context.fillText(`${short(most)}/s`, 4, 11);
  if (!brush) return;
  const left = x(brush.fromNs), wide = Math.max(2, x(brush.toNs) - left);
  context.globalAlpha = 0.16;
  context.fillStyle = colours.brush;
  context.fillRect(left, 0, wide, height - AXIS);
  context.globalAlpha = 1;
  context.strokeStyle = colours.brush;
  context.strokeRect(left + 0.5, 0.5, wide, height - AXIS - 1);
}

/** A strip with all time in it, and the part that is looked at. */
export function drawOverview(canvas: HTMLCanvasElement, width: number, height: number, columns: readonly TimelineColumn[], whole: TimeRange, view: TimeRange, shown: readonly number[], colours: Colours): void {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  if (!context) return;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  const x = (ns: number): number => ((ns - whole.fromNs) / (whole.toNs - whole.fromNs)) * width;
  const sums = columns.map((column) => shown.reduce((sum, index) => sum + column.events[index], 0));
  const most = Math.max(1, ...sums);
  context.fillStyle = colours.text;
  columns.forEach((column, index) => {
    const high = sums[index] === 0 ? 0 : Math.max(1, (sums[index] / most) * (height - 2));
    context.fillRect(x(column.fromNs), height - high, Math.max(1, x(column.toNs) - x(column.fromNs)), high);
  });
  context.globalAlpha = 0.2;
  context.fillStyle = colours.brush;
  context.fillRect(x(view.fromNs), 0, x(view.toNs) - x(view.fromNs), height);
  context.globalAlpha = 1;
  context.strokeStyle = colours.brush;
  context.strokeRect(x(view.fromNs) + 0.5, 0.5, Math.max(1, x(view.toNs) - x(view.fromNs) - 1), height - 1);
}
