// What the guest's network adapter is plugged into, until there is a hub between machines: nothing, a plug that returns every frame, or
// frames of a packet file at their times.

import type { Clock } from "../hardware/device.ts";
import type { TimedFrame } from "./pcap.ts";

export const NETWORKS = ["none", "loopback"] as const;
export type NetworkKind = (typeof NETWORKS)[number];

/** Locally administered: nobody else's. */
export const STATION_ADDRESS: readonly number[] = [0x02, 0x54, 0x53, 0x00, 0x00, 0x01];

/** `seen`: every frame on the wire, whoever sent it. */
export class Network {
  kind: NetworkKind = "none";
  seen: (frame: Uint8Array, fromGuest: boolean) => void = () => {};
  /** The adapter. */
  receive: (frame: Uint8Array) => void = () => {};
  private readonly clock: Clock;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** The guest sends. */
  transmit(frame: Uint8Array): void {
    this.seen(frame, true);
    if (this.kind === "loopback") this.deliver(frame);
  }

  /** Somebody sends to the guest. */
  deliver(frame: Uint8Array): void {
    this.seen(frame, false);
    this.receive(frame);
  }

  /** Delivers recorded frames: the first one now, the others as long after it as they were recorded. */
  replay(frames: readonly TimedFrame[]): void {
    const [first] = frames;
    if (!first) return;
    const beganNs = this.clock.nowNs();
    let next = 0;
    const timer = this.clock.timer(() => {
      while (next < frames.length && dueNs(next) <= this.clock.nowNs()) this.deliver(frames[next++]!.bytes);
      if (next < frames.length) timer.arm(dueNs(next));
    });
    const dueNs = (index: number) => beganNs + Math.max(0, (frames[index]!.timeMs - first.timeMs) * 1e6);
    timer.arm(beganNs);
  }
}
