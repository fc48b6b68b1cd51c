// The client's side of GDB's remote protocol, as much as driving a stopped processor needs. GDB manual, "Remote Serial Protocol".

import { createConnection, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

const OK = "OK";
const STEP_MS = 3000, SILENCE = "";
/** Bytes of memory in one packet: QEMU takes packets of 4 KB. */
const CHUNK = 1984;

export class GdbRemote {
  private readonly socket: Socket;
  private received = "";
  private waiting: { resolve(packet: string): void; reject(error: Error): void } | null = null;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding("latin1");
    socket.setNoDelay(true);
    socket.on("data", (text: string) => {
      this.received += text;
      this.deliver();
    });
    socket.on("error", (error) => this.waiting?.reject(error));
    socket.on("close", () => this.waiting?.reject(new Error("the gdb stub has gone away")));
  }

  static connect(path: string): Promise<GdbRemote> {
    return new Promise((resolve, reject) => {
      const socket = createConnection(path);
      socket.once("connect", () => resolve(new GdbRemote(socket)));
      socket.once("error", reject);
    });
  }

  close(): void {
    this.socket.destroy();
  }

  /** Sends a packet and waits for its answer. */
  async ask(packet: string): Promise<string> {
    let sum = 0;
    for (let i = 0; i < packet.length; i++) sum = (sum + packet.charCodeAt(i)) & 0xff;
    const answer = new Promise<string>((resolve, reject) => {
      this.waiting = { resolve, reject };
    });
    this.socket.write(`$${packet}#${sum.toString(16).padStart(2, "0")}`, "latin1");
    return answer;
  }

  private deliver(): void {
    const begin = this.received.indexOf("$"), end = this.received.indexOf("#", begin);
    if (begin < 0 || end < 0 || this.received.length < end + 3) return;
    const packet = this.received.slice(begin + 1, end);
    this.received = this.received.slice(end + 3);
    this.socket.write("+");
    const { waiting } = this;
    this.waiting = null;
    waiting?.resolve(packet);
  }

  private async command(packet: string): Promise<void> {
    const answer = await this.ask(packet);
    if (answer !== OK) throw new Error(`gdb stub: ${packet.slice(0, 20)} gave ${answer}`);
  }

  async readRegisters(): Promise<Buffer> {
    return Buffer.from(await this.ask("g"), "hex");
  }

  writeRegisters(block: Buffer): Promise<void> {
    return this.command(`G${block.toString("hex")}`);
  }

  async readMemory(address: number, length: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let at = 0; at < length; at += CHUNK) {
      parts.push(Buffer.from(await this.ask(`m${(address + at).toString(16)},${Math.min(CHUNK, length - at).toString(16)}`), "hex"));
    }
    return Buffer.concat(parts);
  }

  async writeMemory(address: number, bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += CHUNK) {
      const part = bytes.subarray(at, at + CHUNK);
      await this.command(`M${(address + at).toString(16)},${part.length.toString(16)}:${Buffer.from(part).toString("hex")}`);
    }
  }

  /** One instruction; one iteration of a repeated one. False: the processor has shut down, or waits and gives no answer. */
  async step(): Promise<boolean> {
    const patience = new AbortController();
    const answer = await Promise.race([this.ask("s"), sleep(STEP_MS, SILENCE, { signal: patience.signal })]);
    patience.abort();
    if (answer === SILENCE) return false;
    if (!answer.startsWith("T05") && !answer.startsWith("T03")) throw new Error(`gdb stub: a step ended with ${answer}`);
    return answer.startsWith("T05");
  }

  /** A command of QEMU's monitor: what it prints. */
  async monitor(text: string): Promise<string> {
    let printed = "";
    let answer = await this.ask(`qRcmd,${Buffer.from(text).toString("hex")}`);
    while (answer.startsWith("O") && answer !== OK) {
      printed += Buffer.from(answer.slice(1), "hex").toString();
      answer = await this.next();
    }
    return printed;
  }

  private next(): Promise<string> {
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
      this.deliver();
    });
  }
}
