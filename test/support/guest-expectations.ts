// The bundled t86 guests as tests see them: the committed image, the card in index.json, and guests/NAME.expected.json.
// Counts are stated per phase: a guest opens phase n with OUT of n to PHASE_PORT and closes it with OUT of 0, and a phase's
// counts hold everything after the opening OUT, up to and including the closing one.
import { readFileSync } from "node:fs";

export const PHASE_PORT = 0xe8;

export interface Counts {
  readonly byInstruction: Readonly<Record<string, number>>;
}
export interface PhaseExpectation {
  readonly traps: Counts & { readonly byReason: Readonly<Record<string, number>> };
  readonly leaks: Counts;
  readonly observed?: Counts;
  /** Instructions whose leaks depend on what the processor's own model shows, and are not counted here. */
  readonly unsure?: readonly string[];
  readonly why?: readonly string[];
}
export interface TechniqueExpectation {
  readonly end?: string;
  /** In place of the guest's own. */
  readonly script?: readonly string[];
  readonly serial?: string;
  readonly phases?: Readonly<Record<string, PhaseExpectation>>;
  readonly traps?: PhaseExpectation["traps"];
  readonly leaks?: Counts;
  readonly why?: readonly string[];
}
export interface GuestExpectation {
  /** "labs": run by `npm run test:labs` alone. */
  readonly suite?: "labs";
  /** An outcome of the command line, under `emulate`. */
  readonly end: string;
  /** Every byte that COM1 receives under `emulate`; port E9h receives the same without carriage returns. */
  readonly serial?: string;
  /** For a guest that talks: lines of the command line's --script. */
  readonly script?: readonly string[];
  readonly phases: Readonly<Record<string, string>>;
  /** Keys: `trap/1`, `trap/3`, with switches behind: `trap/1 umip=on`. */
  readonly techniques: Readonly<Record<string, TechniqueExpectation>>;
}
export interface GuestCard {
  readonly id: string;
  readonly file: string;
  readonly title: string;
  readonly description: string;
  readonly see: string;
  readonly technique: string;
  readonly ring: 1 | 3;
  readonly memory: string;
  readonly lab?: string;
}

const root = new URL("../../", import.meta.url);

export const guestCards = (): readonly GuestCard[] =>
  (JSON.parse(readFileSync(new URL("public/guests/index.json", root), "utf8")) as { guests: GuestCard[] }).guests;

export const guestImage = (id: string): Uint8Array => readFileSync(new URL(`public/guests/${id}.img`, root));

export const guestExpectation = (id: string): GuestExpectation =>
  JSON.parse(readFileSync(new URL(`guests/${id}.expected.json`, root), "utf8")) as GuestExpectation;

/** `trap/1 umip=on` taken apart. */
export function parseTechniqueKey(key: string): { technique: string; ring: number | undefined; set: Record<string, string> } {
  const [head = "", ...switches] = key.split(" ");
  const [technique = "", ring] = head.split("/");
  return { technique, ring: ring === undefined ? undefined : Number(ring), set: Object.fromEntries(switches.map((text) => text.split("=") as [string, string])) };
}

export const sum = (counts: Readonly<Record<string, number>>): number => Object.values(counts).reduce((total, n) => total + n, 0);
