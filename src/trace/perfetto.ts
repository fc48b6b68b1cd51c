// The trap log as trace events (the "JSON Array/Object Format" that Perfetto and chrome://tracing read): one instant for each
// record on the track of its kind, and a counter track with the ring, as the guest believes and as it is.

import type { LogHeader, Marks } from "./jsonl.ts";
import type { TrapFields } from "./trap-fields.ts";
import { hex, hexBytes, trapClass } from "./trap-fields.ts";

const PROCESS = 1;
const TRACKS = { exit: 1, leak: 2, observed: 3 } as const;
const TRACK_NAMES = { exit: "traps and callouts", leak: "leaks", observed: "observed" } as const;

export class PerfettoWriter {
  readonly head: string;
  readonly tail = "\n]}\n";
  private readonly marks: Marks;
  private rings = "";

  constructor(header: LogHeader, marks: Marks) {
    this.marks = marks;
    const { technique, ring, set, image } = header;
    const name = technique === "emulate" ? "guest, bare" : `guest under ${technique}, ring ${ring}`;
    const metadata = [
      { ph: "M", pid: PROCESS, name: "process_name", args: { name } },
      ...Object.entries(TRACKS).map(([kind, tid]) => ({ ph: "M", pid: PROCESS, tid, name: "thread_name", args: { name: TRACK_NAMES[kind as keyof typeof TRACKS] } })),
    ];
    this.head = `{"displayTimeUnit":"ns","otherData":${JSON.stringify({ technique, ring, set, image })},"traceEvents":[\n${metadata.map((event) => JSON.stringify(event)).join(",\n")}`;
  }

  line(trap: TrapFields): string {
    const ts = trap.timeNs / 1000; // microseconds
    const event = {
      ph: "i", s: "t", pid: PROCESS, tid: TRACKS[trap.kind], ts, name: trap.text ?? trap.instruction, cat: trap.reason ? `${trapClass(trap)},${trap.reason}` : trapClass(trap),
      args: {
        seq: trap.seq, instruction: trap.instruction, bytes: trap.bytes ? hexBytes(trap.bytes) : undefined, at: `${hex(trap.cs, 4)}:${hex(trap.eip, 8)}`,
        icount: trap.icount, mode: trap.mode, action: trap.action ?? undefined, effect: trap.effect ?? undefined, marked: this.marks.has(trap.seq) ? true : undefined,
      },
    };
    const rings = `${trap.vcpl}/${trap.hcpl}`;
    if (rings === this.rings) return `,\n${JSON.stringify(event)}`;
    this.rings = rings;
    return `,\n${JSON.stringify({ ph: "C", pid: PROCESS, ts, name: "CPL", args: { guest: trap.vcpl, really: trap.hcpl } })},\n${JSON.stringify(event)}`;
  }
}
