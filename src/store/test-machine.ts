// A machine's shared memory without a machine, and a client that records what it is sent: for tests of the stores and the page.

import { RING_HEADER_BYTES, RingWriter, ringBytes } from "../base/shared-ring.ts";
import type { MachineClient, OpenClient } from "../client/machine-client.ts";
import type { Command } from "../protocol/commands.ts";
import type { MachineEvent, SharedLayout } from "../protocol/events.ts";
import { CODE_WINDOW_BYTES, TRUTH_BYTES } from "../protocol/register-view.ts";
import { REGISTER_TRACE_BYTES } from "../protocol/register-trace.ts";
import { SCREEN_BYTES } from "../protocol/screen-view.ts";
import { SOUND_BYTES, SoundWriter } from "../protocol/sound-view.ts";
import { SCALARS, STATS_BYTES, STATS_DOUBLES } from "../protocol/stats-view.ts";
import type { ScalarName } from "../protocol/stats-view.ts";
import { ACTIONS, packMode, RECORD_BYTES, SITE_BYTES } from "../protocol/trap-record.ts";

export const TEST_SLOTS = 1024;

/** Three instructions in turn: CLI traps, POPF leaks, OUT traps. */
export class TestMemory {
  readonly buffer: SharedArrayBuffer;
  readonly layout: SharedLayout;
  private readonly ring: RingWriter;
  private readonly stats: Float64Array;
  private written = 0;

  constructor() {
    let next = 0x8000;
    const take = (bytes: number): number => {
      const at = next;
      next = Math.ceil((next + bytes) / 64) * 64;
      return at;
    };
    this.layout = {
      truth: take(TRUTH_BYTES), codeWindow: take(CODE_WINDOW_BYTES), stats: take(STATS_BYTES), trapRing: take(ringBytes(TEST_SLOTS, RECORD_BYTES)),
      trapSites: take(TEST_SLOTS * 2 * SITE_BYTES), screen: take(SCREEN_BYTES), sound: take(SOUND_BYTES), registers: take(REGISTER_TRACE_BYTES), ram: { base: take(4096), bytes: 4096 },
    };
    this.buffer = new SharedArrayBuffer(next);
    this.ring = new RingWriter(this.buffer, this.layout.trapRing, TEST_SLOTS, RECORD_BYTES);
    new SoundWriter(this.buffer, this.layout.sound);
    this.stats = new Float64Array(this.buffer, this.layout.stats, STATS_BYTES >> 3);
    ["IRQ", "CLI", "POPF", "OUT"].forEach((name, id) => new Uint8Array(this.buffer).set([...name].map((char) => char.charCodeAt(0)), this.layout.stats + STATS_DOUBLES.names * 8 + id * 16));
    [[0xfa, 1], [0x9d, 2], [0xee, 3]].forEach(([byte, mnemonic], site) => {
      const view = new DataView(this.buffer, this.layout.trapSites + site * SITE_BYTES);
      view.setUint32(0, 0x7c00 + site, true);
      view.setUint32(4, 0x7c00 + site, true);
      view.setUint16(8, 8, true);
      view.setUint8(10, packMode(0, 1, false, true, true));
      view.setUint8(11, 1);
      view.setUint8(12, byte);
      view.setUint16(28, mnemonic, true);
    });
  }

  set(name: ScalarName, value: number): void {
    this.stats[SCALARS[name]] = value;
  }

  /** Copies record 1, the first POPF, to where the first leak is kept. */
  keepFirstLeak(): void {
    const words = new Int32Array(this.buffer, this.layout.stats, STATS_BYTES >> 2);
    const at = STATS_DOUBLES.firstLeak * 2;
    const slot = (RING_HEADER_BYTES >> 2) + (RECORD_BYTES >> 2);
    words.set(this.ring.words.subarray(slot, slot + 8), at);
    words.set(new Int32Array(this.buffer, this.layout.trapSites + SITE_BYTES, 8), at + 8);
  }

  /** As a reset does. */
  clear(): void {
    this.ring.clear();
    this.written = 0;
  }

  write(records: number): void {
    for (let i = 0; i < records; i++) {
      const site = this.written++ % 3;
      const leak = site === 1;
      const slot = this.ring.slot();
      const { words } = this.ring;
      words[slot + 1] = this.written * 10;
      words[slot + 2] = ((leak ? 63 : 13) << 16) | ((leak ? 1 : 0) << 24);
      words[slot + 3] = site | ((leak ? ACTIONS["lost-write"] : site === 2 ? ACTIONS["port-out"] : ACTIONS.emulate) << 24);
      this.ring.doubles[(slot >> 1) + 2] = this.written * 1000;
      words[slot + 6] = leak ? 0x46 : site === 2 ? 0x103f8 : 0;
      words[slot + 7] = leak ? 0x246 : site === 2 ? 0x41 : 0;
      this.ring.commit(slot);
      this.stats[SCALARS[leak ? "leaks" : "traps"]]++;
      this.stats[STATS_DOUBLES.mnemonics + (leak ? 1024 : 0) + site + 1]++;
    }
  }
}

export class TestClient implements MachineClient {
  readonly sent: Command[] = [];
  closed = false;
  emit: (event: MachineEvent) => void = () => {};

  readonly open: OpenClient = (onEvent) => {
    this.emit = onEvent;
    this.closed = false;
    return this;
  };

  send(command: Command): void {
    this.sent.push(command);
  }

  close(): void {
    this.closed = true;
  }

  /** The last command of one type. */
  last<T extends Command["type"]>(type: T): Extract<Command, { type: T }> | undefined {
    return this.sent.findLast((command): command is Extract<Command, { type: T }> => command.type === type);
  }
}
