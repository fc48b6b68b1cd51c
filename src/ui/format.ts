// Numbers and names as the page writes them.

import type { Ring, TechniqueId } from "../protocol/technique.ts";

export function count(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

/** 1,234 · 12.3 k · 4.56 M */
export function short(value: number): string {
  if (value < 10_000) return count(value);
  if (value < 1e6) return `${(value / 1e3).toFixed(value < 1e5 ? 1 : 0)} k`;
  if (value < 1e9) return `${(value / 1e6).toFixed(value < 1e7 ? 2 : 1)} M`;
  return `${(value / 1e9).toFixed(2)} G`;
}

export function bytes(value: number): string {
  if (value < 1024) return `${value} bytes`;
  if (value < 1 << 20) return `${Number((value / 1024).toFixed(1))} KB`;
  if (value < 1 << 30) return `${Number((value / (1 << 20)).toFixed(2))} MB`;
  return `${Number((value / (1 << 30)).toFixed(2))} GB`;
}

export function seconds(ns: number): string {
  return `${(ns / 1e9).toFixed(ns < 1e10 ? 3 : 1)} s`;
}

/** 35 ns · 1.2 µs · 20 ms */
export function duration(ns: number): string {
  if (ns < 1e3) return `${Math.round(ns)} ns`;
  const [value, unit] = ns < 1e6 ? [ns / 1e3, "µs"] : ns < 1e9 ? [ns / 1e6, "ms"] : [ns / 1e9, "s"];
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}

export function hex8(value: number): string {
  return (value >>> 0).toString(16).padStart(8, "0");
}

export function hex4(value: number): string {
  return (value & 0xffff).toString(16).padStart(4, "0");
}

export function techniqueText({ technique, ring }: { readonly technique: TechniqueId; readonly ring: Ring }): string {
  return technique === "emulate" ? technique : `${technique} · ring ${ring}`;
}

export function when(ms: number): string {
  return new Date(ms).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}
