// One guest on QEMU's TCG, from process start to a text on COM1. Started by bench.mjs; prints one line of JSON, as v86-guest.mjs does:
//   { lines: [{ text, seconds, cpuSeconds }], seconds, peakRss }; processor time is that of the QEMU process, as Linux counts it (in ticks of 10 ms).
// Usage: node qemu-guest.mjs '{"image":PATH,"memoryBytes":N,"until":TEXT,"typed":{"after":TEXT,"text":TEXT}}'
//   "kernel":PATH,"initrd":PATH,"append":TEXT in the place of the image
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";

const TICKS_PER_SECOND = 100;
/** /proc/PID/stat behind the name of the program: proc(5), "utime" and "stime" are fields 14 and 15. */
const UTIME = 11, STIME = 12;

const task = JSON.parse(process.argv[2]);
const started = performance.now();
const qemu = spawn("qemu-system-i386", [
  "-M", "pc", "-accel", "tcg", "-cpu", "pentium3,+sse2", "-m", String(task.memoryBytes >> 20), "-display", "none", "-monitor", "none", "-serial", "stdio", "-nic", "none",
  ...(task.kernel ? ["-kernel", task.kernel, "-initrd", task.initrd, "-append", task.append] : ["-drive", `file=${task.image},format=raw,snapshot=on`]),
], { stdio: ["pipe", "pipe", "inherit"] });
process.on("exit", () => qemu.kill("SIGKILL"));
process.on("SIGTERM", () => process.exit(1));
qemu.on("exit", (code) => process.exit(code ?? 1));

const seconds = () => (performance.now() - started) / 1000;
function cpuSeconds() {
  const stat = readFileSync(`/proc/${qemu.pid}/stat`, "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[UTIME]) + Number(fields[STIME])) / TICKS_PER_SECOND;
}
const peakRss = () => Number(/^VmHWM:\s*(\d+)/m.exec(readFileSync(`/proc/${qemu.pid}/status`, "latin1"))[1]) * 1024;

const lines = [];
let line = null, hasTyped = false;
qemu.stdout.on("data", (bytes) => {
  for (const byte of bytes) {
    line ??= { text: "", seconds: seconds(), cpuSeconds: cpuSeconds() };
    if (byte !== 10) {
      if (byte !== 13) line.text += String.fromCharCode(byte);
      if (task.typed && !hasTyped && line.text.endsWith(task.typed.after)) {
        hasTyped = true;
        qemu.stdin.write(task.typed.text);
      }
      continue;
    }
    lines.push(line);
    const met = line.text.includes(task.until);
    line = null;
    if (met) process.stdout.write(`${JSON.stringify({ lines, seconds: seconds(), peakRss: peakRss() })}\n`, () => process.exit(0));
  }
});
