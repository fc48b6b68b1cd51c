import { defineConfig } from "vitest/config";

// Real browsers over the built page: `npm run test:browser`. CHROMIUM names the browser where it is not /usr/bin/chromium. Two files at a time,
// and then, alone, what takes the measure of time.
const TIMED = ["test/browser/first-trap.test.ts", "test/browser/storm.test.ts"];
// The limits are for what hangs, not for what is slow.
const common = { environment: "node", testTimeout: 300_000, hookTimeout: 300_000, expect: { poll: { timeout: 90_000, interval: 50 } } } as const;

export default defineConfig({
  test: {
    globalSetup: "test/browser/global-setup.ts",
    projects: [
      { test: { ...common, name: "page", include: ["test/browser/**/*.test.ts"], exclude: TIMED, maxWorkers: 2, sequence: { groupOrder: 0 } } },
      { test: { ...common, name: "timed", include: TIMED, fileParallelism: false, sequence: { groupOrder: 1 } } },
    ],
  },
});
