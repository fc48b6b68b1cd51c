// Draws random pictures on our VGA and QEMU's. `--help` lists the options.
import { importTypeScript } from "./import-typescript.mjs";

const { main } = await importTypeScript("test/vga/main.ts");
process.exitCode = await main();
