import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["src/**/*.test.{ts,tsx}", "test/architecture/**/*.test.ts", "test/conformance/**/*.test.ts", "test/cli/**/*.test.ts", "test/hostile/**/*.test.ts"],
    environment: "node",
    testTimeout: 60_000,
    // Vitest leaves one core free, which is half of a small machine.
    maxWorkers: "100%",
  },
});
