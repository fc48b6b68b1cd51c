// The machine as the page holds it: commands in, events out. The rest is read from the shared memory that `ready` names.

import type { Command } from "../protocol/commands.ts";
import type { MachineEvent } from "../protocol/events.ts";

export interface MachineClient {
  send(command: Command): void;
  /** Ends the machine at once, whatever it does. Nothing is sent or received afterwards. */
  close(): void;
}

/** Makes a client whose events go to `onEvent`. */
export type OpenClient = (onEvent: (event: MachineEvent) => void) => MachineClient;
