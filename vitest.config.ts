import { defineConfig } from "vitest/config";

/** What takes long for what it adds to a quick look: run with TRAPSCOPE_LONG=1, as .ci/run does, so that `npm test` stays below three minutes on two cores. */
const LONG = [
  "test/hostile/*.test.ts", "test/conformance/translated-logs.test.ts", "test/conformance/whole-run-traps.test.ts", "test/cli/diff.test.ts", "test/cli/interfaces.test.ts", "test/library/*.test.ts",
  "test/conformance/silicon-translated.test.ts",
];

export default defineConfig({
  test: {
    include: ["src/**/*.test.{ts,tsx}", "test/architecture/**/*.test.ts", "test/conformance/**/*.test.ts", "test/cli/**/*.test.ts", "test/library/**/*.test.ts", "test/hostile/**/*.test.ts"],
    exclude: process.env["TRAPSCOPE_LONG"] ? [] : LONG,
    environment: "node",
    testTimeout: 60_000,
    // Vitest leaves one core free, which is half of a small machine.
    maxWorkers: "100%",
  },
});
