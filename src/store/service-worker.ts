// The service worker from the page's side: it isolates the page on hosts that send no headers, by one reload, and keeps it for
// use without a network.

/** What of the browser is needed; tests give their own. */
export interface ServiceWorkerHost {
  /** Null: the browser has none here (plain HTTP, private windows of Firefox), or the page is not built. */
  readonly container: Pick<ServiceWorkerContainer, "register" | "controller" | "addEventListener" | "removeEventListener"> | null;
  /** Lives as long as the tab: a page that was reloaded in vain is not reloaded again. */
  readonly memory: Pick<Storage, "getItem" | "setItem" | "removeItem"> | null;
  readonly reload: () => void;
}

const SCRIPT = "service-worker.js";
const RELOADED = "trapscope.reloaded-for-isolation";
const PATIENCE_MS = 5_000;

/** True: the page is about to be loaded again, isolated. False: nothing more can be done. */
export async function isolateByServiceWorker({ container, memory, reload }: ServiceWorkerHost): Promise<boolean> {
  // Without a memory a host on which it never works would reload for ever.
  if (!container || !memory || memory.getItem(RELOADED)) return false;
  try {
    await container.register(SCRIPT);
    // Some settings let it be registered and never become ready.
    if (!(await isControlled(container))) return false;
    memory.setItem(RELOADED, "1");
  } catch {
    return false;
  }
  reload();
  return true;
}

/** Of a page that is isolated already. */
export function keepForOffline({ container, memory }: ServiceWorkerHost): void {
  memory?.removeItem(RELOADED);
  // A host or a setting that forbids it costs only the use without a network.
  container?.register(SCRIPT).catch(() => {});
}

function isControlled(container: NonNullable<ServiceWorkerHost["container"]>): Promise<boolean> {
  if (container.controller) return Promise.resolve(true);
  return new Promise((resolve) => {
    const end = (controlled: boolean): void => {
      clearTimeout(timer);
      container.removeEventListener("controllerchange", changed);
      resolve(controlled);
    };
    const changed = (): void => end(true);
    const timer = setTimeout(() => end(false), PATIENCE_MS);
    container.addEventListener("controllerchange", changed);
  });
}
