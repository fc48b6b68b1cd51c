import { defineConfig } from "vitest/config";

// Real Chromium over the built page: `npm run test:browser`. CHROMIUM names the browser where it is not /usr/bin/chromium.
export default defineConfig({
  test: { include: ["test/browser/**/*.test.ts"], environment: "node", testTimeout: 180_000, hookTimeout: 180_000, fileParallelism: false },
});
