// The page's URL: ?guest=popf | image=https://... &technique= &ring= &memory=128M &clock= &set=umip:on &filter= &view= &a= &b= &lab=L1 &autorun=1 &check=1.
// An unknown value is named together with what is allowed, and the rest still counts.

import type { ClockKind, ProcessorSet, Ring, TechniqueId } from "../protocol/technique.ts";
import { isTechnique, SETTING_CHOICES, TECHNIQUES, withSetting } from "../protocol/technique.ts";
import { parseMemory } from "./memory-size.ts";
import { compileFilter } from "../trace/filter.ts";
import type { Subject } from "./compare.ts";
import { type View, VIEWS } from "./settings.ts";

export interface PageParameters {
  readonly guest?: string;
  readonly image?: string;
  readonly technique?: TechniqueId;
  readonly ring?: Ring;
  readonly memoryBytes?: number;
  readonly clock?: ClockKind;
  readonly set?: ProcessorSet;
  readonly filter?: string;
  readonly view?: View;
  readonly lab?: string;
  /** Techniques to compare, as `trap/3`. */
  readonly subjects: readonly Subject[];
  readonly autorun: boolean;
  /** Shows what the browser has. */
  readonly check: boolean;
  /** One sentence for each value that cannot be used. */
  readonly problems: readonly string[];
}


function parseSet(text: string, refuse: (why: string) => void): ProcessorSet {
  let set: ProcessorSet = {};
  for (const part of text.split(",").filter((part) => part !== "")) {
    const [name = "", value = ""] = part.split(":");
    const next = withSetting(set, name.toLowerCase(), value);
    if (next) set = next;
    else refuse(`set=${part} is unknown: use ${SETTING_CHOICES.map((choice) => choice.replace("=", ":")).join(", ")}.`);
  }
  return set;
}

function parseSubjects(query: URLSearchParams, refuse: (why: string) => void): Subject[] {
  return ["a", "b", "c", "d"].flatMap((name) => {
    const text = query.get(name);
    if (!text) return [];
    const [technique = "", ring = "1"] = text.split("/");
    if (isTechnique(technique) && (ring === "1" || ring === "3")) return [{ technique, ring: ring === "3" ? 3 : 1 } as const];
    refuse(`${name}=${text} cannot be compared: a technique (${TECHNIQUES.join(", ")}), or one with its ring, as trap/3.`);
    return [];
  });
}

/** The page's policy and browsers' mixed-content rules let it read from https: anywhere, and from its own host however it is served. */
function readable(address: string, origin: string): boolean {
  return URL.canParse(address) && (new URL(address).protocol === "https:" || new URL(address).origin === origin);
}

/** `origin`: of the page. */
export function parsePageParameters(search: string, origin = ""): PageParameters {
  const query = new URLSearchParams(search);
  const problems: string[] = [];
  const result: { -readonly [K in keyof PageParameters]: PageParameters[K] } = { autorun: query.get("autorun") === "1", check: query.get("check") === "1", problems, subjects: parseSubjects(query, (why) => problems.push(why)) };
  const guest = query.get("guest");
  if (guest) result.guest = guest;
  const image = query.get("image");
  if (image) {
    if (readable(image, origin)) result.image = image;
    else problems.push(`image=${image} cannot be read from here: give a whole https:// address${origin.startsWith("http:") ? ` or one of ${origin}` : ""}, or download the file and drop it on the page.`);
  }
  const technique = query.get("technique");
  if (technique) {
    if (isTechnique(technique)) result.technique = technique;
    else problems.push(`technique=${technique} is unknown: use one of ${TECHNIQUES.join(", ")}.`);
  }
  const ring = query.get("ring");
  if (ring) {
    if (ring === "1" || ring === "3") result.ring = ring === "1" ? 1 : 3;
    else problems.push(`ring=${ring} cannot be used: 1 or 3.`);
  }
  const memory = query.get("memory");
  if (memory) {
    const bytes = parseMemory(memory);
    if (bytes) result.memoryBytes = bytes;
    else problems.push(`memory=${memory} cannot be used: 1M to 1G.`);
  }
  const clock = query.get("clock");
  if (clock) {
    if (clock === "real" || clock === "virtual") result.clock = clock;
    else problems.push(`clock=${clock} is unknown: real or virtual.`);
  }
  const set = query.get("set");
  if (set) result.set = parseSet(set, (why) => problems.push(why));
  const filter = query.get("filter");
  if (filter) {
    result.filter = filter;
    const compiled = compileFilter(filter);
    if (!compiled.ok) problems.push(`filter= does not parse: ${compiled.message}`);
  }
  const view = query.get("view");
  if (view) {
    const known = VIEWS.find((own) => own === view);
    if (known) result.view = known;
    else problems.push(`view=${view} is unknown: use ${VIEWS.join(", ")}.`);
  }
  const lab = query.get("lab");
  if (lab) result.lab = lab;
  return result;
}
