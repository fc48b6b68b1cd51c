// A machine of a page's configuration, and what belongs to it alone.

import { configureBoot } from "../machine/boot/boot-request.ts";
import { Machine } from "../machine/machine.ts";
import { History } from "../machine/replay.ts";
import type { MachineConfig } from "../protocol/commands.ts";
import { bootRequest, smallImageHash } from "./boot-files.ts";
import { DebugControl } from "./debug-control.ts";
import type { Host } from "./host.ts";
import { MachineFiles } from "./machine-files.ts";
import { PageOutput } from "./page-output.ts";
import { RecordedRun } from "./recorded-run.ts";

export interface Made {
  readonly machine: Machine;
  readonly history: History;
  readonly debug: DebugControl;
  readonly files: MachineFiles;
  readonly output: PageOutput;
  /** Hash of what it boots from, for a small image. */
  readonly image: string | undefined;
  /** What it repeats. */
  readonly recorded: RecordedRun | null;
}

export function makeMachine(host: Host, config: MachineConfig): Made {
  const open = host.open.bind(host), meterNs = (): number => host.wallNs();
  const boot = configureBoot(bootRequest(config, open));
  const recorded = config.recording ? new RecordedRun(config.recording, open, { meterNs }) : null;
  const machine = recorded?.machine ?? new Machine({
    memoryBytes: config.memoryBytes, technique: config.technique, ring: config.ring, set: config.set, clock: config.clock === "real" ? "paced" : "virtual",
    ...(config.clock === "real" ? { epochMs: host.epochMs() } : {}),
    meterNs, ...boot.machine,
  });
  machine.supervisor.probes.recordObserved = true;
  machine.supervisor.registers.enabled = true;
  const history = new History(machine, { every: Infinity, ...(config.clock === "real" ? { wallNs: () => host.wallNs() } : {}) });
  const output = new PageOutput(host, machine, config.drives, () => history.replaying), files = new MachineFiles(config, machine, open);
  recorded?.begin(history);
  for (const [device, medium] of recorded?.later ?? []) {
    output.know(device, medium);
    files.put(device, medium);
  }
  const image = boot.bootsFrom ? smallImageHash(boot.bootsFrom.source) : undefined;
  return { machine, history, debug: new DebugControl(machine), files, output, image, recorded };
}
