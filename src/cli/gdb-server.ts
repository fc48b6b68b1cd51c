// The GDB stub's side of the network: waits for a debugger, and lets the run loop know what the machine is to do.

import { createServer, type Server, type Socket } from "node:net";
import { UsageError } from "../base/errors.ts";
import type { Machine, RunReason } from "../machine/machine.ts";
import type { History } from "../machine/replay.ts";
import { framePacket, PacketReader } from "./gdb-packets.ts";
import { GdbSession } from "./gdb-session.ts";

export interface GdbAddress {
  readonly host: string;
  readonly port: number;
}

/** `:1234`, `1234` or `host:1234`; without a host only this computer can reach it. */
export function parseGdbAddress(text: string): GdbAddress {
  const [, host = "", digits = ""] = /^(?:(.*):)?(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (digits === "" || port > 65535) throw new UsageError(`--gdb ${text}: give a TCP port such as :1234, or HOST:PORT.`);
  return { host: host === "" ? "localhost" : host.replace(/^\[(.*)\]$/, "$1"), port };
}

export class GdbServer {
  private readonly machine: Machine;
  private readonly history: History | null;
  private readonly server: Server;
  private readonly say: (text: string) => void;
  private session: GdbSession | null = null;
  private socket: Socket | null = null;
  private interrupted = false;
  /** The machine waits for a debugger. */
  private waiting = true;
  private wake: (() => void) | null = null;

  constructor(machine: Machine, history: History | null, say: (text: string) => void) {
    this.machine = machine;
    this.history = history;
    this.say = say;
    this.server = createServer((socket) => this.connect(socket));
  }

  /** The port that it listens at. */
  async listen({ host, port }: GdbAddress): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.server.once("error", (error) => reject(new UsageError(`--gdb ${host}:${port}: cannot listen there (${error.message}).`)));
      this.server.listen(port, host, resolve);
    });
    const address = this.server.address();
    const actual = typeof address === "object" && address !== null ? address.port : port;
    this.say(`waiting for a debugger: gdb -ex "target remote ${host}:${actual}"`);
    return actual;
  }

  /** Lets requests arrive; returns when the machine is to run. "quit": it is to run no more. */
  async next(): Promise<"run" | "step" | "quit"> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    for (;;) {
      const state = this.session?.state ?? (this.waiting ? "stopped" : "detached");
      if (state === "killed") return "quit";
      if (state !== "stopped") return state === "stepping" ? "step" : "run";
      this.machine.pauseClock();
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
      this.wake = null;
      this.history?.wake();
    }
  }

  /** A run has ended. True: the debugger was told, and the machine goes no further until it says so. */
  stopped(reason: RunReason): boolean {
    const { interrupted, session } = this;
    this.interrupted = false;
    if (session === null || session.state === "detached") return false;
    return session.stopped(reason, interrupted);
  }

  /** From a signal: ends a wait. */
  interrupt(): void {
    this.waiting = false;
    if (this.session?.state === "stopped") this.session.close();
    this.wake?.();
  }

  close(): void {
    this.socket?.end();
    this.server.close();
  }

  private connect(socket: Socket): void {
    if (this.socket) {
      socket.end(); // one debugger at a time
      return;
    }
    socket.setNoDelay(true);
    this.socket = socket;
    this.waiting = false;
    this.machine.stop();
    let last: Uint8Array = new Uint8Array(0);
    const write = (bytes: Uint8Array): void => {
      if (!socket.destroyed) socket.write(bytes);
    };
    const send = (text: string): void => write((last = framePacket(text)));
    const session = new GdbSession(this.machine, this.history, send, () => this.wake?.());
    this.session = session;
    const reader = new PacketReader({
      packet: (text) => {
        if (!session.noAcknowledgements) write(PLUS);
        session.packet(text);
      },
      damaged: () => write(MINUS),
      sendAgain: () => write(last),
      acknowledged: () => {},
      interrupt: () => {
        if (session.state === "stopped") return;
        this.interrupted = true;
        this.machine.stop();
        this.wake?.();
      },
    });
    const gone = (): void => {
      if (this.socket !== socket) return;
      this.socket = null;
      session.close();
    };
    socket.on("data", (bytes) => reader.feed(bytes)).on("error", gone).on("close", gone);
  }
}

const PLUS = Uint8Array.of(0x2b), MINUS = Uint8Array.of(0x2d);
