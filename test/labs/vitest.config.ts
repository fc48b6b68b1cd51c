import { defineConfig } from "vitest/config";

// The labs, every step of them: `npm run test:labs`. TRAPSCOPE_DEBIAN_DISK names the disk of the steps on a real kernel.
export default defineConfig({
  test: { include: ["test/labs/**/*.test.ts"], environment: "node", testTimeout: 600_000, hookTimeout: 120_000 },
});
