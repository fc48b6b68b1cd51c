// `--record FILE.trk`: writes a run down while it goes on, and the file at its end.

import type { BootRequest, NamedSource } from "../machine/boot/boot-request.ts";
import { placeImage } from "../machine/boot/boot-request.ts";
import { DRIVE_NAMES } from "../machine/drives.ts";
import type { Machine } from "../machine/machine.ts";
import { encodeRecording, endOf, type RecordedFile, recordedFile, recordedInputs } from "../machine/recording.ts";
import { History } from "../machine/replay.ts";
import { OutputFile } from "./output-file.ts";
import type { RunOptions } from "./run-options.ts";

export class RunRecorder {
  readonly history: History;
  private readonly file: OutputFile;
  private readonly options: RunOptions;
  private readonly machine: Machine;
  private readonly request: BootRequest;

  constructor(path: string, options: RunOptions, machine: Machine, request: BootRequest) {
    this.file = new OutputFile("record", path);
    this.options = options;
    this.machine = machine;
    this.request = request.image ? placeImage(request, request.image) : request;
    this.history = new History(machine, { checkpoints: false, ...(options.clock === "real" ? { wallNs: () => performance.now() * 1e6 } : {}) });
  }

  close(): void {
    const { memoryBytes, cpu, technique, ring, set, clock, boot, append, force } = this.options;
    const { machine } = this;
    this.history.settleEnd();
    const bytes = encodeRecording({
      machine: {
        memoryBytes, cpu, technique, ring, set, clock: clock === "real" ? "paced" : "virtual", epochMs: machine.clock.epochMs,
        ...(boot ? { boot } : {}), ...(append !== undefined ? { append } : {}), ...(force ? { force } : {}),
      },
      files: this.files(), inputs: recordedInputs(this.history.inputs ?? [], () => { throw new Error("no medium is changed on the command line"); }), end: endOf(machine),
    });
    this.file.write(bytes);
    this.file.close();
  }

  private files(): RecordedFile[] {
    const { drives = {}, kernel, initrd, multiboot, modules = [] } = this.request;
    const named: (readonly [string, NamedSource | undefined])[] = [
      ...DRIVE_NAMES.map((drive) => [drive, drives[drive]] as const), ["kernel", kernel], ["initrd", initrd], ["multiboot", multiboot], ...modules.map((file) => ["module", file] as const),
    ];
    return named.flatMap(([role, file]) => (file ? [recordedFile(role, file)] : []));
  }
}
