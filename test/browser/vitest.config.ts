import { defineConfig } from "vitest/config";

// Real Chromium over the built page: `npm run test:browser`. CHROMIUM names the browser where it is not /usr/bin/chromium.
// On a busy machine the browser may give the focus to another console than the test's, or bring keys late: once more tells, and the report says "retry".
export default defineConfig({
  test: { include: ["test/browser/**/*.test.ts"], environment: "node", testTimeout: 180_000, hookTimeout: 180_000, retry: 2, fileParallelism: false },
});
