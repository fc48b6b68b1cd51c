// A link that opens the page as it is: the guest, how it runs, what is shown of it, the lab beside it. A teacher gives it away.

import type { ProcessorSet } from "../protocol/technique.ts";
import type { GuestCard } from "./guests.ts";
import type { BootOptions } from "./session.ts";

export interface Shared {
  /** A bundled guest, or the address of an image; null: nothing runs, or what runs has no address. */
  readonly guest: GuestCard | null;
  readonly image: string | null;
  readonly options: BootOptions;
  readonly filter: string;
  readonly view: string;
  readonly lab: string | null;
}

function settingsText(set: ProcessorSet): string {
  return Object.entries(set).map(([name, value]) => `${name}:${value === true ? "on" : value === false ? "off" : value}`).join(",");
}

/** What is as the guest's card says, or as the page begins, is left out. */
export function shareQuery({ guest, image, options, filter, view, lab }: Shared, defaults: BootOptions & { readonly view: string }): URLSearchParams {
  const query = new URLSearchParams(), usual = guest ?? defaults;
  const add = (name: string, value: string, unless: string): void => {
    if (value !== unless) query.set(name, value);
  };
  add("guest", guest?.id ?? "", "");
  add("image", image ?? "", "");
  if (guest || image) {
    add("technique", options.technique, usual.technique);
    add("ring", String(options.ring), String(usual.ring));
    add("memory", `${options.memoryBytes >> 20}M`, `${usual.memoryBytes >> 20}M`);
    add("clock", options.clock, defaults.clock);
    add("set", settingsText(options.set), "");
  }
  add("lab", lab ?? "", "");
  add("filter", filter.trim(), "");
  add("view", view, defaults.view);
  return query;
}
