// The picture and the animation of the README, taken of the built page in a real Chromium: `node scripts/build-screenshots.mjs`.
// CHROMIUM names the browser where it is not /usr/bin/chromium.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { build, preview } from "vite";
import { encodeApng } from "./apng.mjs";

const LARGEST = 1.5e6;
const VIEWPORT = { width: 1280, height: 800 };

const folder = mkdtempSync(join(tmpdir(), "trapscope-screenshots-"));
await build({ logLevel: "warn", build: { outDir: folder, emptyOutDir: true } });
const server = await preview({ logLevel: "warn", build: { outDir: folder }, preview: { port: 0 } });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--headless", "--no-sandbox", "--disable-gpu"] });
const page = await browser.newPage({ viewport: VIEWPORT, colorScheme: "dark", reducedMotion: "reduce" });
const shots = [];

/** Screenshots have no pointer: this one goes where the real one is. */
async function showPointer() {
  await page.evaluate(() => {
    const pointer = document.createElement("div");
    pointer.style.cssText = "position:fixed;z-index:9999;width:18px;height:18px;margin:-9px;border-radius:50%;border:2px solid #fff;background:#f80a;pointer-events:none;left:50%;top:60%";
    document.body.append(pointer);
    document.addEventListener("mousemove", ({ clientX, clientY }) => {
      pointer.style.left = `${clientX}px`;
      pointer.style.top = `${clientY}px`;
    }, true);
  });
}
const shoot = async (ms) => shots.push({ png: await page.screenshot({ animations: "disabled" }), ms });

let at = { x: VIEWPORT.width / 2, y: VIEWPORT.height * 0.6 };
async function pressOn(target) {
  await target.scrollIntoViewIfNeeded();
  const box = await target.boundingBox(), to = { x: box.x + Math.min(box.width / 2, 120), y: box.y + box.height / 2 }, from = at;
  for (let n = 1; n <= 6; n++) {
    const part = n / 6;
    await page.mouse.move(from.x + (to.x - from.x) * part, from.y + (to.y - from.y) * part);
    await shoot(n === 6 ? 350 : 50);
  }
  at = to;
  await page.mouse.down();
  await page.mouse.up();
}

try {
  await page.goto(server.resolvedUrls.local[0]);
  await page.waitForSelector("[data-guest=popf]");
  await showPointer();
  await shoot(1200);
  await pressOn(page.locator("[data-guest=popf]"));
  const end = page.locator("section[aria-label='End of the run']");
  for (let n = 0; n < 40 && !(await end.isVisible()); n++) await shoot(120);
  await end.waitFor({ timeout: 60_000 });
  await shoot(2200);
  await pressOn(page.getByRole("button", { name: "Show the leaks" }));
  await page.locator("[role=row][data-kind=leak]").first().waitFor();
  await shoot(1200);
  await pressOn(page.locator("[role=row][data-kind=leak]", { hasText: "popf" }).first());
  await page.locator("aside").first().waitFor();
  await shoot(4500);
  const animation = encodeApng(shots);
  if (animation.length > LARGEST) throw new Error(`the animation has ${animation.length} bytes, and ${LARGEST} are allowed`);
  writeFileSync("docs/page-animated.png", animation);
  await page.mouse.move(0, 0);
  await page.evaluate(() => document.body.lastElementChild.remove());
  writeFileSync("docs/page.png", encodeApng([{ png: await page.screenshot(), ms: 1000 }]));
  process.stdout.write(`docs/page-animated.png: ${shots.length} pictures, ${animation.length} bytes\n`);
} finally {
  await browser.close();
  await server.close();
  rmSync(folder, { recursive: true });
}
