import { defineConfig } from "vitest/config";

// The labs, every step of them: `npm run test:labs`. TRAPSCOPE_LABS_DISK names the Debian disk of the steps on a real kernel; each boots it once.
export default defineConfig({
  test: { include: ["test/labs/**/*.test.ts"], environment: "node", testTimeout: 1_800_000, hookTimeout: 120_000 },
});
