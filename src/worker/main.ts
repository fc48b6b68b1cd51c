// The worker's entry: gives the command loop its host.

import type { Command } from "../protocol/commands.ts";
import type { MachineEvent } from "../protocol/events.ts";
import { CommandLoop } from "./command-loop.ts";
import { CommandQueue } from "./command-queue.ts";
import { DriveKeeper } from "./drive-keeper.ts";

/** How often the overlays are looked at. */
const POLL_MS = 400;

/** Waiting messages are handled before a continuation that was posted after them. */
const channel = new MessageChannel();
let next: (() => void) | null = null;
let timer: ReturnType<typeof setTimeout> | undefined;
channel.port1.onmessage = () => {
  const run = next;
  next = null;
  run?.();
};

const post = (event: MachineEvent, transfer?: Transferable[]): void => self.postMessage(event, { transfer: transfer ?? [] });
const keeper = new DriveKeeper(post, () => Date.now());
const loop = new CommandLoop({
  post,
  open: (medium) => keeper.open(medium),
  holds: (drive, medium) => keeper.holds(drive, medium),
  shares: self.crossOriginIsolated,
  wallNs: () => performance.now() * 1e6,
  epochMs: () => Date.now(),
  later(continueRun, delayMs) {
    next = continueRun;
    if (delayMs < 1) channel.port2.postMessage(0);
    else timer = setTimeout(() => channel.port2.postMessage(0), delayMs);
  },
});

const queue = new CommandQueue((command) => loop.handle(command), keeper, post, { place: () => loop.autosavePlace, machine: () => loop.autosave(), nowMs: () => Date.now() });
setInterval(() => queue.guard(() => keeper.poll()), POLL_MS);

self.onmessage = (message: MessageEvent<Command>) => {
  queue.handle(message.data);
  // Input may have made an idle guest's next event earlier.
  if (next && timer !== undefined) {
    clearTimeout(timer);
    timer = undefined;
    channel.port2.postMessage(0);
  }
};
