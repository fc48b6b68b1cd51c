// The machine in a Web Worker of its own.

import type { MachineEvent } from "../protocol/events.ts";
import { applyParts } from "../protocol/mirror.ts";
import type { OpenClient } from "./machine-client.ts";

export const openWorkerClient: OpenClient = (onEvent) => {
  const worker = new Worker(new URL("../worker/main.ts", import.meta.url), { type: "module", name: "trapscope machine" });
  let copy: ArrayBufferLike | null = null;
  worker.onmessage = ({ data }: MessageEvent<MachineEvent>) => {
    if (data.type === "ready") copy = data.buffer;
    if (data.type === "mirrored" && copy) applyParts(copy, data);
    else onEvent(data);
  };
  worker.onerror = (error) => {
    // Browsers give no message when the script itself was blocked.
    const message = error.message || "The worker script could not be loaded. The server must send Cross-Origin-Embedder-Policy: require-corp with it, too.";
    onEvent({ type: "defect", message, report: `${message}\n${error.filename ?? ""}:${error.lineno ?? 0}` });
  };
  worker.onmessageerror = () => onEvent({ type: "defect", message: "A message from the machine could not be read.", report: "messageerror" });
  return { send: (command) => worker.postMessage(command), close: () => worker.terminate() };
};
