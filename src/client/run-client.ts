// A whole run in a worker of its own.

import type { RunEvent, RunRequest } from "../protocol/run.ts";

export interface RunHandle {
  /** Ends it at once; nothing is told afterwards. */
  cancel(): void;
}
export type StartRun = (request: RunRequest, onEvent: (event: RunEvent) => void) => RunHandle;

export const startRunWorker: StartRun = (request, onEvent) => {
  const worker = new Worker(new URL("../worker/run-main.ts", import.meta.url), { type: "module", name: "trapscope run" });
  worker.onmessage = (message: MessageEvent<RunEvent>) => {
    onEvent(message.data);
    if (message.data.type !== "progress") worker.terminate();
  };
  worker.onerror = (error) => {
    worker.terminate();
    onEvent({ type: "failed", reason: error.message || "The worker script could not be loaded." });
  };
  worker.postMessage(request);
  return { cancel: () => worker.terminate() };
};
