// Processor time of a browser's workers, as Linux counts it: what of a measurement does not depend on who else has the processor.

import { readdirSync, readFileSync } from "node:fs";

const TICKS_PER_SECOND = 100;
/** After the name in brackets: state, parent, ... ; proc(5), "/proc/pid/stat". */
const PARENT = 1, USER = 11, SYSTEM = 12;

function stat(path: string): { readonly name: string; readonly fields: readonly string[] } | null {
  try {
    const text = readFileSync(path, "utf8");
    return { name: text.slice(text.indexOf("(") + 1, text.lastIndexOf(")")), fields: text.slice(text.lastIndexOf(")") + 2).split(" ") };
  } catch {
    return null; // it has ended, or this is no Linux
  }
}

/** This process and those that it started; null where nobody counts them. */
function family(): string[] | null {
  let ids: string[];
  try {
    ids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  } catch {
    return null;
  }
  const parents = new Map(ids.map((id) => [id, stat(`/proc/${id}/stat`)?.fields[PARENT] ?? "0"]));
  const own = (id: string): boolean => id === String(process.pid) || (parents.has(id) && own(parents.get(id)!));
  return ids.filter(own);
}

function spent(path: string, wanted: (name: string) => boolean): number | null {
  const counted = stat(path);
  return counted && wanted(counted.name) ? (Number(counted.fields[USER]) + Number(counted.fields[SYSTEM])) / TICKS_PER_SECOND : null;
}

/** Seconds that the dedicated workers of browsers which this process started have run; NaN where nobody counts them. */
export function workerSeconds(): number {
  const all = (family() ?? []).flatMap((id) => threads(id).flatMap((thread) => spent(`/proc/${id}/task/${thread}/stat`, (name) => name.startsWith("DedicatedWorker")) ?? []));
  return all.length === 0 ? Number.NaN : all.reduce((sum, own) => sum + own, 0);
}

/** Seconds that the processes of these browsers that are there have run. */
export function browserSeconds(): number {
  const all = (family() ?? []).filter((id) => id !== String(process.pid)).flatMap((id) => spent(`/proc/${id}/stat`, () => true) ?? []);
  return all.length === 0 ? Number.NaN : all.reduce((sum, own) => sum + own, 0);
}

function threads(id: string): string[] {
  try {
    return readdirSync(`/proc/${id}/task`);
  } catch {
    return [];
  }
}
