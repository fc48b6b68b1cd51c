// QEMU's VGA beside a processor that stands still: its ports and memory are driven through the qtest protocol, its picture is taken through QMP.
// QEMU documentation, "QTest Device Emulation Testing Framework", "QEMU Machine Protocol".

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createConnection, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export interface Picture {
  readonly width: number;
  readonly height: number;
  /** R G B of each pixel. */
  readonly pixels: Uint8Array;
}

/** A socket on which each line that is sent is answered by one. */
class Lines {
  private readonly socket: Socket;
  private received = "";
  private waiting: ((line: string) => void) | null = null;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => {
      this.received += text;
      this.deliver();
    });
  }

  static async connect(path: string): Promise<Lines> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await new Promise((resolve, reject) => {
          const socket = createConnection(path);
          socket.once("connect", () => resolve(new Lines(socket)));
          socket.once("error", reject);
        });
      } catch (error) {
        if (attempt === 100) throw error;
        await sleep(50);
      }
    }
  }

  private deliver(): void {
    const end = this.received.indexOf("\n");
    if (end < 0 || this.waiting === null) return;
    const { waiting } = this;
    this.waiting = null;
    const line = this.received.slice(0, end);
    this.received = this.received.slice(end + 1);
    waiting(line);
  }

  next(): Promise<string> {
    return new Promise((resolve) => {
      this.waiting = resolve;
      this.deliver();
    });
  }

  ask(line: string): Promise<string> {
    this.socket.write(`${line}\n`);
    return this.next();
  }

  close(): void {
    this.socket.destroy();
  }
}

export class QemuVga {
  private readonly child: ChildProcess;
  private readonly folder: string;
  private readonly test: Lines;
  private readonly control: Lines;

  private constructor(child: ChildProcess, folder: string, test: Lines, control: Lines) {
    this.child = child;
    this.folder = folder;
    this.test = test;
    this.control = control;
  }

  static async start(): Promise<QemuVga> {
    const folder = mkdtempSync(join(tmpdir(), "trapscope-vga-")), test = join(folder, "qtest"), control = join(folder, "qmp");
    const child = spawn("qemu-system-i386", [
      "-M", "pc", "-accel", "tcg", "-S", "-display", "none", "-nodefaults", "-vga", "std", "-qtest", `unix:${test},server=on,wait=off`, "-qtest-log", "/dev/null", "-qmp", `unix:${control},server=on,wait=off`,
    ], { stdio: ["ignore", "ignore", "inherit"] });
    const qmp = await Lines.connect(control);
    await qmp.next();
    await qmp.ask('{"execute":"qmp_capabilities"}');
    return new QemuVga(child, folder, await Lines.connect(test), qmp);
  }

  stop(): void {
    this.test.close();
    this.control.close();
    this.child.kill("SIGKILL");
    rmSync(this.folder, { recursive: true, force: true });
  }

  private async command(text: string): Promise<string> {
    const answer = await this.test.ask(text);
    if (!answer.startsWith("OK")) throw new Error(`qtest: ${text.slice(0, 40)} gave ${answer}`);
    return answer;
  }

  async out(port: number, value: number): Promise<void> {
    await this.command(`outb 0x${port.toString(16)} 0x${value.toString(16)}`);
  }

  async in(port: number): Promise<void> {
    await this.command(`inb 0x${port.toString(16)}`);
  }

  async write(address: number, bytes: Uint8Array): Promise<void> {
    if (bytes.length > 0) await this.command(`write 0x${address.toString(16)} 0x${bytes.length.toString(16)} 0x${Buffer.from(bytes).toString("hex")}`);
  }

  /** What the screen shows. */
  async picture(): Promise<Picture> {
    const file = join(this.folder, "screen.ppm");
    let answer = await this.control.ask(JSON.stringify({ execute: "screendump", arguments: { filename: file } }));
    while (!answer.includes('"return"')) {
      if (answer.includes('"error"')) throw new Error(`screendump: ${answer}`);
      answer = await this.control.next();
    }
    const data = readFileSync(file), header = /^P6\s+(\d+)\s+(\d+)\s+255\s/.exec(data.toString("latin1", 0, 64));
    if (!header) throw new Error("not a portable pixmap");
    return { width: Number(header[1]), height: Number(header[2]), pixels: data.subarray(header[0].length) };
  }
}
