import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";
import { serviceWorker } from "./scripts/service-worker-plugin.ts";

// SharedArrayBuffer needs both headers on the document and on worker scripts.
const isolation = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
};

export default defineConfig({
  base: "./",
  plugins: [react(), serviceWorker()],
  worker: { format: "es" },
  // The machine is one worker script of half a megabyte, loaded once.
  build: { outDir: "dist/page", target: "es2023", chunkSizeWarningLimit: 700, rolldownOptions: { input: ["index.html", "embed.html"], checks: { pluginTimings: false } } },
  server: { headers: isolation },
  preview: { headers: isolation },
});
