import { defineConfig } from "vitest/config";

// Real guests to their end: `TRAPSCOPE_GUESTS=DIR npm run test:guests`. DIR holds the images that the README's test section lists.
export default defineConfig({
  test: { include: ["test/guests/**/*.test.ts"], environment: "node", testTimeout: 1_200_000, hookTimeout: 120_000, fileParallelism: false },
});
