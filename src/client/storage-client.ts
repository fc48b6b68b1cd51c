// The storage worker as the page holds it.

import type { StorageEvent, StorageRequest } from "../protocol/storage.ts";

export interface StorageClient {
  send(request: StorageRequest): void;
}

/** Makes a client whose events go to `onEvent`. */
export type OpenStorage = (onEvent: (event: StorageEvent) => void) => StorageClient;

export const openStorageWorker: OpenStorage = (onEvent) => {
  const worker = new Worker(new URL("../worker/storage-main.ts", import.meta.url), { type: "module", name: "trapscope storage" });
  worker.onmessage = (message: MessageEvent<StorageEvent>) => onEvent(message.data);
  return { send: (request) => worker.postMessage(request) };
};
