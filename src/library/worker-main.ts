// The script of `createMachineWorker`'s worker.

import { MachineHost } from "./machine-host.ts";
import { ownPort } from "./thread.ts";

new MachineHost(ownPort());
