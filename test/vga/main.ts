// Command line of scripts/vga-qemu.mjs.

import { parseArgs } from "node:util";
import { MAX_FRAME_BYTES, VgaRenderer } from "../../src/hardware/vga-render.ts";
import { VgaHost } from "../../src/hardware/vga-test-modes.ts";
import { haveQemu } from "../lockstep/qemu.ts";
import { createCase, KINDS, type Kind, type VgaCase } from "./cases.ts";
import { type Picture, QemuVga } from "./qemu-vga.ts";

const USAGE = `usage: node scripts/vga-qemu.mjs [--pictures N] [--seed N] [--kind ${KINDS.join("|")}]

Draws random pictures of all modes on our VGA and on QEMU's, and compares them pixel by pixel. Needs qemu-system-i386 (Debian: qemu-system-x86).
  --pictures N   how many (140)
  --seed N       the first one's seed (1)
  --kind NAME    only this mode`;

const WINDOW = 0xa_0000;

/** Writes to both sides, in this order. */
interface Target {
  out(port: number, value: number): void | Promise<void>;
  in(port: number): unknown;
  write(address: number, bytes: Uint8Array): void | Promise<void>;
}

async function set(target: Target, c: VgaCase): Promise<void> {
  const pair = async (port: number, index: number, value: number): Promise<void> => {
    await target.out(port, index);
    await target.out(port + 1, value);
  };
  await target.out(0x3c2, c.misc);
  // Planes one by one, through the window of 64 KB.
  await pair(0x3c4, 4, 6);
  for (const [index, value] of [[5, 0], [6, 5], [1, 0], [3, 0], [8, 0xff]] as const) await pair(0x3ce, index, value);
  for (const [n, plane] of c.planes.entries()) {
    await pair(0x3c4, 2, 1 << n);
    await target.write(WINDOW, plane);
  }
  for (const [index, value] of c.sequencer.entries()) await pair(0x3c4, index, value);
  await pair(0x3d4, 0x11, 0);
  for (const [index, value] of c.crtc.entries()) await pair(0x3d4, index, value);
  for (const [index, value] of c.graphics.entries()) await pair(0x3ce, index, value);
  await target.in(0x3da);
  for (const [index, value] of c.attribute.entries()) {
    await target.out(0x3c0, index);
    await target.out(0x3c0, value);
  }
  await target.out(0x3c0, 0x20);
  // Where bytes of a mode that chains planes lie in them is each side's own.
  await target.write(c.window.at, c.window.bytes);
  await target.out(0x3c8, 0);
  for (const value of c.colors) await target.out(0x3c9, value);
}

async function draw(c: VgaCase): Promise<Picture> {
  const host = new VgaHost();
  await set({
    out: (port, value) => host.out(port, value),
    in: (port) => host.in(port),
    write: (address, bytes) => bytes.forEach((byte, n) => host.poke(address + n, byte)),
  }, c);
  const frame = new Uint8Array(MAX_FRAME_BYTES), size = new VgaRenderer(host.vga).draw(frame);
  if (!size) throw new Error("nothing was drawn");
  const pixels = new Uint8Array(size.width * size.height * 3);
  for (let n = 0; n < size.width * size.height; n++) pixels.set(frame.subarray(n * 4, n * 4 + 3), n * 3);
  return { ...size, pixels };
}

/** The first difference in words; "" if there is none. We draw repeated lines and pixels once; the two bits below a colour's six are each side's own. */
function difference(ours: Picture, qemu: Picture): string {
  const across = qemu.width / ours.width, down = qemu.height / ours.height;
  if (!Number.isInteger(across) || (!Number.isInteger(down) && Math.ceil(down) * (ours.height - 1) >= qemu.height)) return `ours is ${ours.width} by ${ours.height}, QEMU's ${qemu.width} by ${qemu.height}`;
  let first = "", count = 0;
  for (let y = 0; y < qemu.height; y++) {
    for (let x = 0; x < qemu.width; x++) {
      const mine = (Math.floor(y / Math.ceil(down)) * ours.width + x / across | 0) * 3, other = (y * qemu.width + x) * 3;
      if ([0, 1, 2].every((n) => ours.pixels[mine + n]! >> 2 === qemu.pixels[other + n]! >> 2)) continue;
      if (count++ === 0) first = `at ${x}, ${y} ours ${ours.pixels.subarray(mine, mine + 3).join(" ")}, QEMU ${qemu.pixels.subarray(other, other + 3).join(" ")}`;
    }
  }
  return count === 0 ? "" : `${count} pixels of ${qemu.width} by ${qemu.height}, the first ${first}`;
}

export async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { pictures: { type: "string", default: "140" }, seed: { type: "string", default: "1" }, kind: { type: "string" }, help: { type: "boolean", default: false } },
  });
  if (values.help || (values.kind !== undefined && !KINDS.includes(values.kind as Kind))) {
    console.log(USAGE);
    return values.help ? 0 : 1;
  }
  if (!haveQemu()) {
    console.log("skipped: no qemu-system-i386 (Debian: qemu-system-x86)");
    return 0;
  }
  let qemu = await QemuVga.start();
  let differences = 0;
  try {
    for (let n = 0; n < Number(values.pictures); n++) {
      const c = createCase((values.kind as Kind | undefined) ?? KINDS[n % KINDS.length]!, Number(values.seed) + n);
      const ours = await draw(c);
      const compare = async (): Promise<string> => {
        await set(qemu, c);
        return difference(ours, await qemu.picture());
      };
      if ((await compare()) === "") continue;
      // QEMU draws what it takes for changed; a new one draws everything.
      qemu.stop();
      qemu = await QemuVga.start();
      const text = await compare();
      if (text === "") continue;
      differences++;
      console.log(`${c.kind} seed ${c.seed} (${c.what}): ${text}`);
    }
  } finally {
    qemu.stop();
  }
  console.log(`${values.pictures} pictures, ${differences} differ`);
  return differences === 0 ? 0 : 1;
}
