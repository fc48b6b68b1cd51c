// What the page remembers between visits: one versioned key of the browser's local storage.

import { type ColourRule, DEFAULT_RULES } from "./colour-rules.ts";
import { Observable } from "./observable.ts";

export const THEMES = ["system", "light", "dark", "contrast"] as const;
export type Theme = (typeof THEMES)[number];

export function isTheme(name: string): name is Theme {
  return (THEMES as readonly string[]).includes(name);
}

export const VIEWS = ["learn", "debug", "compare"] as const;
export type View = (typeof VIEWS)[number];

export interface SavedFilter {
  readonly name: string;
  readonly filter: string;
}

export interface Settings {
  readonly theme: Theme;
  readonly view: View;
  readonly memoryMegabytes: number;
  readonly screenReader: boolean;
  /** Keys for the guest above its consoles; "auto": where the fingers are all there is. */
  readonly keyRow: string;
  /** The layout that the guest takes its keyboard for. */
  readonly keyboard: string;
  /** Shares of the parts of each split of the layout, in percent. */
  readonly sizes: Readonly<Record<string, readonly number[]>>;
  /** The tab that is shown in each area of the layout. */
  readonly tabs: Readonly<Record<string, string>>;
  /** Latest filters, newest first. */
  readonly filters: readonly string[];
  readonly savedFilters: readonly SavedFilter[];
  readonly colourRules: readonly ColourRule[];
}

export const DEFAULT_SETTINGS: Settings = {
  theme: "system", view: "learn", memoryMegabytes: 128, screenReader: false, keyRow: "auto", keyboard: "us", sizes: {}, tabs: { "learn.machine": "registers" }, filters: [], savedFilters: [], colourRules: DEFAULT_RULES,
};
const KEY = "trapscope";
const VERSION = 1;
const FILTERS_KEPT = 12;

/** Storage may be missing, full or forbidden (private windows): then nothing is remembered. */
export class SettingsStore {
  readonly state: Observable<Settings>;
  private readonly storage: Pick<Storage, "getItem" | "setItem" | "removeItem"> | null;

  constructor(storage: Pick<Storage, "getItem" | "setItem" | "removeItem"> | null) {
    this.storage = storage;
    this.state = new Observable(this.load());
  }

  private load(): Settings {
    try {
      const stored = JSON.parse(this.storage?.getItem(KEY) ?? "null") as { version?: unknown; settings?: Partial<Settings> } | null;
      if (stored?.version !== VERSION || typeof stored.settings !== "object") return DEFAULT_SETTINGS;
      // A value of another type than the default's is somebody else's: it is left out.
      const known = Object.entries(DEFAULT_SETTINGS).map(([name, value]) => {
        const own = (stored.settings as Record<string, unknown>)[name];
        return [name, typeof own === typeof value && Array.isArray(own) === Array.isArray(value) ? own : value];
      });
      return Object.fromEntries(known) as unknown as Settings;
    } catch {
      return DEFAULT_SETTINGS;
    }
  }

  patch(changes: Partial<Settings>): void {
    this.state.patch(changes);
    try {
      this.storage?.setItem(KEY, JSON.stringify({ version: VERSION, settings: this.state.get() }));
    } catch {
      // Remembering is a convenience.
    }
  }

  rememberFilter(filter: string): void {
    if (filter.trim() === "") return;
    this.patch({ filters: [filter, ...this.state.get().filters.filter((other) => other !== filter)].slice(0, FILTERS_KEPT) });
  }

  /** Under a name that is there already it takes the old one's place. */
  saveFilter(name: string, filter: string): void {
    this.patch({ savedFilters: [...this.state.get().savedFilters.filter((own) => own.name !== name), { name, filter }] });
  }

  deleteFilter(name: string): void {
    this.patch({ savedFilters: this.state.get().savedFilters.filter((own) => own.name !== name) });
  }

  reset(): void {
    this.state.set(DEFAULT_SETTINGS);
    try {
      this.storage?.removeItem(KEY);
    } catch {
      // As above.
    }
  }
}
