// What belongs to the page and not to a machine: settings, the bundled guests, the address bar, isolation.

import { openStorageWorker } from "../client/storage-client.ts";
import type { OpenStorage } from "../client/storage-client.ts";
import { openWorkerClient } from "../client/worker-client.ts";
import { type StartRun, startRunWorker } from "../client/run-client.ts";
import type { OpenClient } from "../client/machine-client.ts";
import { CompareStore, type Subject, subjectName } from "./compare.ts";
import { Frames } from "./frames.ts";
import type { GuestCard } from "./guests.ts";
import { fetchGuestImage, fetchGuests } from "./guests.ts";
import type { IsolationProblem } from "./isolation.ts";
import { findIsolationProblem } from "./isolation.ts";
import type { Medium } from "../protocol/medium.ts";
import type { LabStep } from "../labs/lab.ts";
import { LabStore } from "./lab.ts";
import type { CheckedBrowser } from "./self-check.ts";
import { Observable } from "./observable.ts";
import type { BootOptions } from "./session.ts";
import { DEFAULT_OPTIONS, Session } from "./session.ts";
import { DEFAULT_SETTINGS, SettingsStore } from "./settings.ts";
import { looksPacked, StorageStore } from "./storage.ts";
import { shareQuery } from "./share-link.ts";
import { isolateByServiceWorker, keepForOffline, type ServiceWorkerHost } from "./service-worker.ts";
import type { PageParameters } from "./url-parameters.ts";
import { parsePageParameters } from "./url-parameters.ts";

/** What the page takes from its browser; tests give their own. */
export interface PageEnvironment {
  readonly openClient: OpenClient;
  readonly openStorage?: OpenStorage;
  readonly startRun?: StartRun;
  readonly search: string;
  /** Puts another query into the address bar; the page stays. */
  readonly replaceSearch?: (search: string) => void;
  /** Address of the page's own files, ending in a slash. */
  readonly base: string;
  readonly fetch: (url: string, init?: RequestInit) => Promise<Response>;
  readonly storage: Pick<Storage, "getItem" | "setItem" | "removeItem"> | null;
  readonly isolation: Parameters<typeof findIsolationProblem>[0];
  readonly serviceWorker?: ServiceWorkerHost;
}

/** Enough to know an archive. */
const MAGIC_BYTES = 6;
const WORKER_PATIENCE_MS = 10_000;
/** A download, which shows how far it is and can be canceled, is begun instead. */
const SERVER_PATIENCE_MS = 15_000;

function storageOrNull(name: "localStorage" | "sessionStorage"): Storage | null {
  try {
    return window[name];
  } catch {
    return null; // forbidden by the browser's settings
  }
}

export function browserEnvironment(openClient: OpenClient = openWorkerClient): PageEnvironment {
  return {
    openClient, openStorage: openStorageWorker, startRun: startRunWorker, search: window.location.search, replaceSearch: (search) => window.history.replaceState(null, "", search === "" ? window.location.pathname : search), base: import.meta.env.BASE_URL, fetch: (url, init) => window.fetch(url, init), storage: storageOrNull("localStorage"),
    isolation: {
      isSecureContext: window.isSecureContext, crossOriginIsolated: window.crossOriginIsolated, hasSharedArrayBuffer: "SharedArrayBuffer" in window,
      headers: () => window.fetch(window.location.href, { method: "HEAD" }).then((response) => response.headers, () => null),
    },
    serviceWorker: {
      // The development server sends the headers and changes its files all the time.
      container: import.meta.env.MODE === "production" && window.isSecureContext && "serviceWorker" in navigator ? navigator.serviceWorker : null,
      memory: storageOrNull("sessionStorage"),
      reload: () => window.location.reload(),
    },
  };
}

export class Page {
  readonly session: Session;
  readonly settings: SettingsStore;
  readonly frames = new Frames();
  readonly compare: CompareStore;
  readonly labs: LabStore;
  readonly guests = new Observable<readonly GuestCard[] | null>(null);
  /** Why page and machine cannot share memory; null: they can. */
  readonly isolation = new Observable<IsolationProblem | null>(null);
  /** The check of the browser is shown. */
  readonly checking = new Observable(false);
  readonly parameters: PageParameters;
  private readonly wanted = new Observable(false);
  private readonly environment: PageEnvironment;

  constructor(environment: PageEnvironment) {
    this.environment = environment;
    this.settings = new SettingsStore(environment.storage);
    this.parameters = parsePageParameters(environment.search, globalThis.location?.origin);
    this.session = new Session(environment.openClient, { ...DEFAULT_OPTIONS, memoryBytes: this.settings.state.get().memoryMegabytes << 20, ...this.urlOptions() }, new StorageStore(environment.openStorage ?? null));
    this.session.recorded.bundled = () => this.bundledImages();
    this.compare = new CompareStore(environment.startRun ?? null);
    this.labs = new LabStore(environment.startRun ?? null, (id) => this.guestImage(id));
    const { guest, subjects } = this.parameters;
    this.compare.state.patch({ ...(guest ? { guest } : {}), ...(subjects.length >= 2 ? { subjects } : {}) });
    if (this.parameters.view) this.settings.state.patch({ view: this.parameters.view });
  }

  private urlOptions(): Partial<BootOptions> {
    const { technique, ring, set, memoryBytes, clock } = this.parameters;
    return {
      ...(technique ? { technique } : {}), ...(ring ? { ring } : {}), ...(set ? { set } : {}), ...(memoryBytes ? { memoryBytes } : {}), ...(clock ? { clock } : {}),
    };
  }

  async start(): Promise<void> {
    const { isolation, serviceWorker } = this.environment;
    const problem = await findIsolationProblem(isolation);
    if (problem && serviceWorker && (await isolateByServiceWorker(serviceWorker))) return;
    // Without shared memory the worker sends what changed.
    this.isolation.set(problem);
    if (!problem && serviceWorker) keepForOffline(serviceWorker);
    if (this.parameters.check) this.checking.set(true);
    this.session.start();
    this.frames.add((nowMs) => this.session.tick(nowMs));
    for (const text of this.parameters.problems) this.session.notice(text);
    if (this.parameters.filter) this.session.traps.setFilter(this.parameters.filter);
    this.keepInAddress();
    await this.loadGuests();
    const { guest, image, lab } = this.parameters;
    if (lab && !(await this.openLab(lab))) this.session.notice(`lab=${lab} is unknown: use one of ${(await this.labs.load()).map(({ id }) => id).join(", ")}.`);
    if (this.parameters.view === "compare" && guest) {
      if (this.parameters.autorun) await this.startComparison();
    } else if (guest) await this.bootGuestById(guest);
    else if (image) this.askForImage(image);
  }

  /** The filter and the view stand in the address bar, so that a link shows the same. */
  private keepInAddress(): void {
    const query = new URLSearchParams(this.environment.search);
    let shown = query.toString();
    const show = (): void => {
      const { filter, filterError } = this.session.traps.state.get(), { view } = this.settings.state.get();
      if (filter.trim() === "" || filterError) query.delete("filter");
      else query.set("filter", filter);
      if (view === DEFAULT_SETTINGS.view) query.delete("view");
      else query.set("view", view);
      const next = query.toString();
      if (next === shown) return;
      shown = next;
      this.environment.replaceSearch?.(next === "" ? "" : `?${next}`);
    };
    this.session.traps.state.subscribe(show);
    this.settings.state.subscribe(show);
  }

  /** A frame waits until it is wanted. Returns what ends the waiting. */
  onWanted(listener: () => void): () => void {
    return this.wanted.subscribe(listener);
  }

  want(): void {
    this.wanted.set(true);
  }

  /** For the check of the browser. */
  checkedBrowser(): CheckedBrowser {
    const { isolation, serviceWorker } = this.environment;
    const { storage } = this.session.disks;
    return {
      isolation,
      webAssembly: "WebAssembly" in globalThis ? {
        validate: (bytes) => WebAssembly.validate(bytes),
        compile: (bytes) => WebAssembly.compile(bytes),
        allocate(pages) {
          try {
            new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
            return true;
          } catch {
            return false;
          }
        },
      } : undefined,
      workerAnswered: () => Promise.race([this.session.warm.then(() => this.session.state.get().phase !== "crashed"), new Promise<boolean>((resolve) => setTimeout(() => resolve(false), WORKER_PATIENCE_MS))]),
      storage: async () => (await storage.look()) ?? { usedBytes: 0, quotaBytes: 0, refused: "The storage worker has not answered." },
      persisted: async () => (await navigator.storage?.persisted?.()) ?? false,
      serviceWorker: !serviceWorker?.container ? "none" : serviceWorker.container.controller ? "controls" : "available",
      comforts: {
        sound: "AudioContext" in window, clipboard: "clipboard" in navigator, "mouse capture": "requestPointerLock" in Element.prototype, "full screen": "requestFullscreen" in Element.prototype,
        "all keys in full screen": "keyboard" in navigator,
      },
    };
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

  private bundledImages(): Promise<Medium[]> {
    const { fetch, base } = this.environment;
    return Promise.all((this.guests.get() ?? []).map(async (guest) => ({ name: guest.file, data: await fetchGuestImage(fetch, base, guest) })));
  }

  private async guestImage(id: string): Promise<{ readonly name: string; readonly data: Uint8Array }> {
    const guest = (this.guests.get() ?? []).find((own) => own.id === id);
    if (!guest) throw new Error(`There is no bundled guest ${id}.`);
    return { name: guest.file, data: await fetchGuestImage(this.environment.fetch, this.environment.base, guest) };
  }

  /** False: there is none of this name. */
  async openLab(id: string): Promise<boolean> {
    const found = await this.labs.open(id);
    if (found && this.settings.state.get().view === "compare") this.settings.patch({ view: "learn" });
    return found;
  }

  /** Starts a lab's guest in the machine, where everything can be looked at. */
  async showStep({ guest, technique, ring = 1, set = {} }: LabStep): Promise<void> {
    const own = (this.guests.get() ?? []).find(({ id }) => id === guest);
    if (own) await this.bootGuest(own, { technique, ring, set });
  }

  labLink(id: string): string {
    return `${window.location.origin}${window.location.pathname}?${new URLSearchParams({ lab: id })}`;
  }

  /** A link that opens the page as it is now. `lacks`: the files of this computer that it cannot name. */
  shareLink(): { readonly link: string; readonly lacks: string | null } {
    const { machine, options } = this.session.state.get(), { started } = this.session, { lab } = this.labs.state.get();
    const media = started && machine ? Object.values(started.config.drives) : [];
    const guest = (this.guests.get() ?? []).find(({ title, file }) => title === started?.title && media.length === 1 && media[0]?.name === file) ?? null;
    const image = media.length === 1 && media[0] && "url" in media[0].data ? media[0].data.url : null;
    const query = shareQuery(
      { guest, image, options, filter: this.session.traps.state.get().filterError ? "" : this.session.traps.state.get().filter, view: this.settings.state.get().view, lab: lab?.id ?? null },
      { ...DEFAULT_OPTIONS, view: DEFAULT_SETTINGS.view },
    );
    const { origin, pathname } = window.location;
    return { link: `${origin}${pathname}${query.size > 0 ? `?${query}` : ""}`, lacks: machine && !guest && !image ? machine.title : null };
  }

  /** Compares the chosen guest, or what the machine was started with, under the chosen techniques. */
  async startComparison(): Promise<void> {
    const { guest: id } = this.compare.state.get();
    const guest = (this.guests.get() ?? []).find((own) => own.id === id);
    try {
      if (guest) {
        const data = await fetchGuestImage(this.environment.fetch, this.environment.base, guest);
        const set = this.urlOptions().set ?? {};
        this.compare.start({ technique: "emulate", ring: 1, set, memoryBytes: guest.memoryBytes, clock: "virtual", drives: { fda: { name: guest.file, data } } }, guest.title);
        return;
      }
      const started = this.session.started;
      if (started) this.compare.start({ ...started.config, clock: "virtual" }, started.title);
      else this.session.notice("Choose a guest to compare, or start a machine first.");
    } catch (error) {
      this.session.showProblem("The guest could not be loaded", error instanceof Error ? error.message : String(error), "Check the connection and try again.");
    }
  }

  /** A link that opens this comparison and runs it. */
  compareLink(): string {
    const { guest, subjects } = this.compare.state.get();
    const query = new URLSearchParams({ ...(guest ? { guest } : {}), view: "compare", ...Object.fromEntries(subjects.map((subject: Subject, index) => ["abcd"[index], subjectName(subject)])), autorun: "1" });
    return `${window.location.origin}${window.location.pathname}?${query}`;
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

  /** In parts where the server can, as a whole where not. */
  private async bootUrl(url: string): Promise<void> {
    const name = new URL(url).pathname.split("/").pop() || "image";
    this.session.dismissProblem();
    this.session.setBusy(`Asking for ${name}`);
    const size = await this.rangeSize(url);
    this.session.setBusy(null);
    const medium = size === null ? await this.session.disks.download(url, name) : { name, data: { url, size } };
    if (medium) await this.session.offer([medium], null);
  }

  /** The size of a file that is served in parts and is no archive; null: it must be downloaded. */
  private async rangeSize(url: string): Promise<number | null> {
    try {
      const response = await this.environment.fetch(url, { headers: { Range: `bytes=0-${MAGIC_BYTES - 1}` }, signal: AbortSignal.timeout(SERVER_PATIENCE_MS) });
      const match = new RegExp(`^bytes 0-${MAGIC_BYTES - 1}/(\\d+)$`).exec(response.headers.get("Content-Range") ?? "");
      if (response.status !== 206 || !match) {
        await response.body?.cancel();
        return null;
      }
      return looksPacked(new Uint8Array(await response.arrayBuffer())) ? null : Number(match[1]);
    } catch {
      return null; // the download says why
    }
  }
}
