// One guest on v86, from process start to a text on COM1. Started by bench.mjs; prints one line of JSON:
//   { lines: [{ text, seconds, cpuSeconds }], seconds, instructions }: every whole line of COM1 with the moment of its first byte,
//   by wall clock and by processor time of all threads; `seconds` is when the line with `until` was whole. "typed":{"after":TEXT,"text":TEXT}
//   goes to COM1 when the present line ends with `after`.
// Usage: node v86-guest.mjs '{"drive":"fda"|"hda","image":PATH,"memoryBytes":N,"until":TEXT,"jit":BOOL,"bios":PATH,"vgaBios":PATH}'
//   "kernel":PATH,"initrd":PATH,"append":TEXT in the place of drive and image
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { V86 } from "v86";

const FLOPPY_BYTES = 1_474_560;
const FLOPPY_FIRST = 0x321, DISK_FIRST = 0x132;
/** v86's counter has 32 bits: looked at often enough that it cannot go round unseen. */
const COUNTER_MS = 250;

const task = JSON.parse(process.argv[2]);
const seconds = () => performance.now() / 1000;
const cpuSeconds = () => (({ user, system }) => (user + system) / 1e6)(process.cpuUsage());
const buffer = (path, bytes = 0) => {
  const file = readFileSync(path);
  const whole = new Uint8Array(Math.max(file.length, bytes));
  whole.set(file);
  return { buffer: whole.buffer };
};

const emulator = new V86({
  wasm_path: join(dirname(createRequire(import.meta.url).resolve("v86")), "v86.wasm"),
  memory_size: task.memoryBytes,
  vga_memory_size: 8 << 20,
  bios: buffer(task.bios),
  vga_bios: buffer(task.vgaBios),
  boot_order: task.drive === "fda" ? FLOPPY_FIRST : DISK_FIRST,
  ...(task.kernel
    ? { bzimage: buffer(task.kernel), initrd: buffer(task.initrd), cmdline: task.append }
    : { [task.drive]: buffer(task.image, task.drive === "fda" ? FLOPPY_BYTES : 0) }),
  disable_jit: !task.jit,
  disable_speaker: true,
  log_level: 0,
  autostart: true,
});

let instructions = 0, counter = 0;
function count() {
  const now = emulator.get_instruction_counter();
  instructions += (now - counter) >>> 0;
  counter = now;
}
const counting = setInterval(count, COUNTER_MS);

const lines = [];
let line = null, hasTyped = false;
emulator.add_listener("serial0-output-byte", (byte) => {
  line ??= { text: "", seconds: seconds(), cpuSeconds: cpuSeconds() };
  if (byte !== 10) {
    if (byte !== 13) line.text += String.fromCharCode(byte);
    if (task.typed && !hasTyped && line.text.endsWith(task.typed.after)) {
      hasTyped = true;
      emulator.serial0_send(task.typed.text);
    }
    return;
  }
  lines.push(line);
  const met = line.text.includes(task.until);
  line = null;
  if (!met) return;
  clearInterval(counting);
  count();
  process.stdout.write(`${JSON.stringify({ lines, seconds: seconds(), instructions, peakRss: process.resourceUsage().maxRSS * 1024 })}\n`, () => process.exit(0));
});
