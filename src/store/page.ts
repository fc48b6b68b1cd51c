// What belongs to the page and not to a machine: settings, the bundled guests, the address bar, isolation.

import { openWorkerClient } from "../client/worker-client.ts";
import type { OpenClient } from "../client/machine-client.ts";
import { Frames } from "./frames.ts";
import type { GuestCard } from "./guests.ts";
import { fetchGuestImage, fetchGuests } from "./guests.ts";
import type { IsolationProblem } from "./isolation.ts";
import { findIsolationProblem } from "./isolation.ts";
import { Observable } from "./observable.ts";
import type { BootOptions } from "./session.ts";
import { DEFAULT_OPTIONS, Session } from "./session.ts";
import { SettingsStore } from "./settings.ts";
import type { PageParameters } from "./url-parameters.ts";
import { parsePageParameters } from "./url-parameters.ts";

/** What the page takes from its browser; tests give their own. */
export interface PageEnvironment {
  readonly openClient: OpenClient;
  readonly search: string;
  /** Address of the page's own files, ending in a slash. */
  readonly base: string;
  readonly fetch: (url: string) => Promise<Response>;
  readonly storage: Pick<Storage, "getItem" | "setItem" | "removeItem"> | null;
  readonly isolation: Parameters<typeof findIsolationProblem>[0];
}

function localStorageOrNull(): Storage | null {
  try {
    return window.localStorage;
  } catch {
    return null; // forbidden by the browser's settings
  }
}

export function browserEnvironment(openClient: OpenClient = openWorkerClient): PageEnvironment {
  return {
    openClient, search: window.location.search, base: import.meta.env.BASE_URL, fetch: (url) => window.fetch(url), storage: localStorageOrNull(),
    isolation: {
      isSecureContext: window.isSecureContext, crossOriginIsolated: window.crossOriginIsolated, hasSharedArrayBuffer: "SharedArrayBuffer" in window,
      headers: () => window.fetch(window.location.href, { method: "HEAD" }).then((response) => response.headers, () => null),
    },
  };
}

export class Page {
  readonly session: Session;
  readonly settings: SettingsStore;
  readonly frames = new Frames();
  readonly guests = new Observable<readonly GuestCard[] | null>(null);
  readonly isolation = new Observable<IsolationProblem | null>(null);
  readonly parameters: PageParameters;
  private readonly environment: PageEnvironment;

  constructor(environment: PageEnvironment) {
    this.environment = environment;
    this.settings = new SettingsStore(environment.storage);
    this.parameters = parsePageParameters(environment.search);
    this.session = new Session(environment.openClient, { ...DEFAULT_OPTIONS, memoryBytes: this.settings.state.get().memoryMegabytes << 20, ...this.urlOptions() });
    if (this.parameters.view) this.settings.state.patch({ view: this.parameters.view });
  }

  private urlOptions(): Partial<BootOptions> {
    const { technique, ring, set, memoryBytes, clock } = this.parameters;
    return {
      ...(technique ? { technique } : {}), ...(ring ? { ring } : {}), ...(set ? { set } : {}), ...(memoryBytes ? { memoryBytes } : {}), ...(clock ? { clock } : {}),
    };
  }

  async start(): Promise<void> {
    const problem = await findIsolationProblem(this.environment.isolation);
    this.isolation.set(problem);
    if (problem) return;
    this.session.start();
    this.frames.add((nowMs) => this.session.tick(nowMs));
    for (const text of this.parameters.problems) this.session.notice(text);
    if (this.parameters.filter) this.session.traps.setFilter(this.parameters.filter);
    await this.loadGuests();
    const { guest, image } = this.parameters;
    if (guest) await this.bootGuestById(guest);
    else if (image) this.askForImage(image);
  }

  private async loadGuests(): Promise<void> {
    try {
      this.guests.set(await fetchGuests(this.environment.fetch, this.environment.base));
    } catch (error) {
      this.guests.set([]);
      this.session.notice(error instanceof Error ? error.message : String(error));
    }
  }

  private async bootGuestById(id: string): Promise<void> {
    const list = this.guests.get() ?? [];
    const guest = list.find((own) => own.id === id);
    if (guest) await this.bootGuest(guest, this.urlOptions());
    else this.session.notice(`guest=${id} is unknown: use one of ${list.map((own) => own.id).join(", ")}.`);
  }

  async bootGuest(guest: GuestCard, overrides: Partial<BootOptions> = {}): Promise<void> {
    this.session.setBusy(`Loading ${guest.title}`);
    try {
      const image = await fetchGuestImage(this.environment.fetch, this.environment.base, guest);
      await this.session.warm;
      this.session.bootGuest(guest, image, overrides);
    } catch (error) {
      this.session.showProblem(`${guest.title} could not be loaded`, error instanceof Error ? error.message : String(error), "Check the connection and try again.");
    }
  }

  /** An image from another server runs only after the person agreed. */
  private askForImage(url: string): void {
    this.session.state.patch({
      problem: {
        title: "Run an image from the network?", reason: url, report: null,
        whatToDo: "It runs inside this page's virtual machine and is not sent anywhere.",
        retry: { label: "Download and boot", run: () => void this.bootUrl(url) },
      },
    });
  }

  private async bootUrl(url: string): Promise<void> {
    const name = new URL(url).pathname.split("/").pop() || "image";
    this.session.dismissProblem();
    this.session.setBusy(`Downloading ${name}`);
    try {
      const response = await this.environment.fetch(url);
      if (!response.ok) throw new Error(`The server answered with HTTP ${response.status}.`);
      const data = await download(response, (bytes, all) => this.session.setBusy(`Downloading ${name}: ${(bytes / 1e6).toFixed(1)}${all > 0 ? ` of ${(all / 1e6).toFixed(1)}` : ""} MB`));
      await this.session.offer([{ name, data }], null);
    } catch (error) {
      const reason = error instanceof TypeError ? "The server does not answer, or does not allow other pages to read the file (CORS)." : error instanceof Error ? error.message : String(error);
      this.session.showProblem(`${name} could not be downloaded`, reason, "Download it yourself and drop the file on this page.");
    }
  }
}

async function download(response: Response, progress: (bytes: number, all: number) => void): Promise<Blob> {
  const all = Number(response.headers.get("Content-Length") ?? 0);
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0, shown = 0;
  const reader = response.body?.getReader();
  for (;;) {
    const chunk = await reader?.read();
    if (!chunk || chunk.done) break;
    parts.push(chunk.value);
    bytes += chunk.value.length;
    if (bytes - shown > 1e6) progress((shown = bytes), all);
  }
  return new Blob(parts);
}
