// The worker's entry: gives the command loop its host.

import type { Command } from "../protocol/commands.ts";
import { CommandLoop } from "./command-loop.ts";

/** Waiting messages are handled before a continuation that was posted after them. */
const channel = new MessageChannel();
let next: (() => void) | null = null;
let timer: ReturnType<typeof setTimeout> | undefined;
channel.port1.onmessage = () => {
  const run = next;
  next = null;
  run?.();
};

const loop = new CommandLoop({
  post: (event, transfer) => self.postMessage(event, { transfer: transfer ?? [] }),
  wallNs: () => performance.now() * 1e6,
  epochMs: () => Date.now(),
  later(continueRun, delayMs) {
    next = continueRun;
    if (delayMs < 1) channel.port2.postMessage(0);
    else timer = setTimeout(() => channel.port2.postMessage(0), delayMs);
  },
});

self.onmessage = (message: MessageEvent<Command>) => {
  loop.handle(message.data);
  // Input may have made an idle guest's next event earlier.
  if (next && timer !== undefined) {
    clearTimeout(timer);
    timer = undefined;
    channel.port2.postMessage(0);
  }
};
