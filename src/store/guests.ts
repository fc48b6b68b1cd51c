// The bundled guests: a list and images that the page's own server gives.

import type { Ring, TechniqueId } from "../protocol/technique.ts";
import { isTechnique } from "../protocol/technique.ts";
import { parseMemory } from "./memory-size.ts";

export interface GuestCard {
  readonly id: string;
  readonly file: string;
  readonly title: string;
  readonly description: string;
  /** What there is to see. */
  readonly see: string;
  readonly technique: TechniqueId;
  readonly ring: Ring;
  readonly memoryBytes: number;
  /** Address of a picture of what there is to see. */
  readonly picture: string;
}

type Fetch = (url: string) => Promise<Response>;

function card(value: Record<string, unknown>, base: string): GuestCard | null {
  const { id, file, title, description, see, technique, ring, memory } = value;
  if (typeof id !== "string" || typeof title !== "string") return null;
  return {
    id, title, file: typeof file === "string" ? file : `${id}.img`, description: typeof description === "string" ? description : "",
    see: typeof see === "string" ? see : "", technique: typeof technique === "string" && isTechnique(technique) ? technique : "emulate", ring: ring === 3 ? 3 : 1,
    memoryBytes: parseMemory(String(memory)) ?? 16 << 20, picture: `${base}guests/pictures/${id}.svg`,
  };
}

export async function fetchGuests(fetch: Fetch, base: string): Promise<GuestCard[]> {
  const response = await fetch(`${base}guests/index.json`);
  if (!response.ok) throw new Error(`The list of bundled guests could not be loaded (HTTP ${response.status}).`);
  const list = (await response.json()) as { guests?: Record<string, unknown>[] };
  return (list.guests ?? []).flatMap((value) => card(value, base) ?? []);
}

export async function fetchGuestImage(fetch: Fetch, base: string, guest: GuestCard): Promise<Uint8Array> {
  const response = await fetch(`${base}guests/${guest.file}`);
  if (!response.ok) throw new Error(`${guest.file} could not be loaded (HTTP ${response.status}).`);
  return new Uint8Array(await response.arrayBuffer());
}
