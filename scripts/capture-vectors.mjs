// Compares our back-ends with the processor this runs on, instruction by instruction, and captures golden vectors. `--help` lists the options.
import { fileURLToPath } from "node:url";
import { importTypeScript, root } from "./import-typescript.mjs";

const { main } = await importTypeScript("test/conformance/capture/main.ts");
process.exitCode = await main(fileURLToPath(new URL("test/conformance/capture/silicon.c", root)));
