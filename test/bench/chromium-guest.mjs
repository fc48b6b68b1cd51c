// One guest in headless Chromium, on trapscope or v86, from the opening of a page to a text on COM1. Started by bench.mjs; prints one line
// of JSON as v86-guest.mjs does: { lines: [{ text, seconds, cpuSeconds }], seconds, peakRss }. Processor time is that of all of the browser's
// processes, as Linux counts it (in ticks of 10 ms); peak memory that of the page's own process (renderer).
// Usage: node chromium-guest.mjs '{"engine":"trapscope"|"v86","drive":"hda","image":PATH,"memoryBytes":N,"until":TEXT,"typed":{"after":TEXT,"text":TEXT},"bios":PATH,"vgaBios":PATH}'
//   "kernel":PATH,"initrd":PATH,"append":TEXT in the place of drive and image
import { createReadStream, readdirSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const TICKS_PER_SECOND = 100;
/** /proc/PID/stat behind the name of the program: proc(5), "ppid", "utime" and "stime" are fields 4, 14 and 15. */
const PPID = 1, UTIME = 11, STIME = 12;
const TYPES = { ".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm", ".html": "text/html" };
const ISOLATION = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

const task = JSON.parse(process.argv[2]);
const root = fileURLToPath(new URL("../../", import.meta.url));
const v86 = dirname(createRequire(import.meta.url).resolve("v86"));
/** What the page may ask for. */
const FILES = {
  "/page-guest.mjs": join(root, "test/bench/page-guest.mjs"), "/image": task.image, "/kernel": task.kernel, "/initrd": task.initrd, "/bios": task.bios, "/vgabios": task.vgaBios,
  ...Object.fromEntries(["index.js", "machine-worker.js"].map((name) => [`/dist/${name}`, join(root, "dist", name)])),
  ...Object.fromEntries(["libv86.mjs", "v86.wasm"].map((name) => [`/v86/${name}`, join(v86, name)])),
};

const server = createServer(({ url }, response) => {
  if (url === "/") return void response.writeHead(200, { ...ISOLATION, "Content-Type": TYPES[".html"] }).end('<!doctype html><title>bench</title><script type="module" src="/page-guest.mjs"></script>');
  const path = FILES[url];
  if (!path) return void response.writeHead(404).end();
  response.writeHead(200, { ...ISOLATION, "Content-Type": TYPES[extname(path)] ?? "application/octet-stream", "Content-Length": statSync(path).size });
  createReadStream(path).pipe(response);
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));

function processes() {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).flatMap((pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return [{ pid, parent: fields[PPID], ticks: Number(fields[UTIME]) + Number(fields[STIME]) }];
    } catch {
      return [];
    }
  });
}

/** The browser's: all that descend from this process. */
function browserProcesses() {
  const all = processes(), own = new Set([String(process.pid)]);
  for (let grew = true; grew;) {
    grew = false;
    for (const { pid, parent } of all) if (!own.has(pid) && own.has(parent)) grew = own.add(pid) !== null;
  }
  own.delete(String(process.pid));
  return all.filter(({ pid }) => own.has(pid));
}

const cpuSeconds = () => browserProcesses().reduce((sum, { ticks }) => sum + ticks, 0) / TICKS_PER_SECOND;

/** The page's process is the largest. */
function peakRss() {
  return Math.max(...browserProcesses().map(({ pid }) => {
    try {
      return Number(/^VmHWM:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? 0) * 1024;
    } catch {
      return 0;
    }
  }));
}

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"] });
const page = await browser.newPage();
const atStart = cpuSeconds();
const lines = [];
let end, fail;
const ended = new Promise((resolve, reject) => [end, fail] = [resolve, reject]);
await page.exposeFunction("heard", (what, line) => {
  if (what === "begins") lines.push({ ...line, cpuSeconds: cpuSeconds() - atStart });
  else {
    lines.at(-1).text = line.text;
    if (line.text.includes(task.until)) end();
  }
});
await page.goto(`http://127.0.0.1:${server.address().port}/`);
await page.waitForFunction(() => "measure" in globalThis);
page.evaluate(([engine, given]) => globalThis.measure(engine, given), [task.engine, task]).catch(fail);
await ended;
process.stdout.write(`${JSON.stringify({ lines, seconds: lines.at(-1).seconds, peakRss: peakRss() })}\n`);
await browser.close();
process.exit(0);
