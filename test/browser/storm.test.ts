// A guest that traps as fast as it can: the page stays smooth, and counts every one. What is asserted everywhere is the processor time
// that the page's main thread takes; TRAPSCOPE_QUIET=1 says that nothing else has the processor, and holds the page to
// frames, longest task and rate by the clock as well.

import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { dropFiles, page, site, usePage } from "./chromium.ts";

const QUIET = process.env.TRAPSCOPE_QUIET === "1";
const SECONDS = 3, SETTLE_MS = 1500;
const VIEWS = ["table", "groups", "timeline", "filter"] as const;
const FRAMES_PER_SECOND = 50, LONGEST_TASK_MS = 50;
/** Of one processor: what is left is the room that frames need to be on time. */
const MOST_THREAD_SHARE = 0.6;


usePage();

/** A boot sector: cli; sti; cli; sti; jmp to the first. In virtual-8086 mode, which real mode is under a monitor, each faults. */
function storm(): string {
  const sector = new Uint8Array(512);
  sector.set([0xfa, 0xfb, 0xfa, 0xfb, 0xeb, 0xfa]);
  sector.set([0x55, 0xaa], 510);
  const path = join(mkdtempSync(join(tmpdir(), "trapscope-storm-")), "storm.img");
  writeFileSync(path, sector);
  return path;
}

async function show(view: (typeof VIEWS)[number]): Promise<void> {
  if (view === "groups") await page.getByRole("combobox", { name: /^Group/ }).selectOption("instruction");
  if (view === "timeline") await page.getByRole("tab", { name: "Timeline" }).click();
  if (view === "filter") {
    await page.getByRole("tab", { name: "Traps" }).click();
    await page.getByRole("button", { name: "Rows", exact: true }).click();
    await page.fill("#trap-filter", "insn == cli and icount > 1000");
  }
  await page.waitForTimeout(SETTLE_MS);
}

it("keeps its frames under a storm of traps, whatever is in sight", async () => {
  await page.goto(`${site.address}?technique=trap`);
  await dropFiles(page, [storm()]);
  await page.waitForSelector("[role=row][data-kind=exit]");
  for (const view of VIEWS) {
    await show(view);
    await measure(view);
  }
});

async function measure(view: (typeof VIEWS)[number]): Promise<void> {
  // TaskDuration in the thread's own time, not the clock's.
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable", { timeDomain: "threadTicks" });
  const threadSeconds = async (): Promise<number> => (await session.send("Performance.getMetrics")).metrics.find(({ name }) => name === "TaskDuration")?.value ?? Number.NaN;
  const threadBefore = await threadSeconds();
  const measured = await page.evaluate(async (seconds) => {
    const count = (): number => Number((document.querySelector("[data-total=traps] > span")?.firstChild?.textContent ?? "0").replaceAll(",", ""));
    const tasks: number[] = [];
    const observer = new PerformanceObserver((list) => list.getEntries().forEach(({ duration }) => tasks.push(duration)));
    observer.observe({ type: "longtask" });
    let frames = 0;
    const began = performance.now(), before = count();
    await new Promise<void>((resolve) => {
      const frame = (now: number): void => {
        frames++;
        if (now - began < seconds * 1000) requestAnimationFrame(frame);
        else resolve();
      };
      requestAnimationFrame(frame);
    });
    observer.disconnect();
    const took = (performance.now() - began) / 1000;
    return { frames, seconds: took, framesPerSecond: frames / took, trapsPerSecond: (count() - before) / took, longestTaskMs: Math.max(0, ...tasks) };
  }, SECONDS);
  const spent = await threadSeconds() - threadBefore;
  await session.detach();
  const threadMsPerFrame = (spent * 1000) / measured.frames, threadShare = spent / measured.seconds;
  console.info(`${view}: ${JSON.stringify({ ...measured, threadMsPerFrame, threadShare }, (_, value) => (typeof value === "number" ? Math.round(value * 100) / 100 : value))}`);
  expect(threadShare).toBeLessThan(MOST_THREAD_SHARE);
  if (!QUIET) return;
  if (view !== "timeline") expect(measured.trapsPerSecond).toBeGreaterThan(1e6);
  expect(measured.framesPerSecond).toBeGreaterThanOrEqual(FRAMES_PER_SECOND);
  expect(measured.longestTaskMs).toBeLessThanOrEqual(LONGEST_TASK_MS);
}
