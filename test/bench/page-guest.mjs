// One guest in a page, on trapscope's machine in its worker or on v86: what comes from COM1 goes to `heard`, a line at a time, with the
// moment of its first byte in seconds since the page was opened. chromium-guest.mjs serves this file and calls `measure`.

const LINE_FEED = 10, CARRIAGE_RETURN = 13;
const FLOPPY_FIRST = 0x321, DISK_FIRST = 0x132;

const fetched = async (path) => (await fetch(path)).blob();

/** Begins a line at its first byte, and tells it when it is whole; types once, when the present line ends as wanted. */
function listener({ typed }, heard, type) {
  let line = null, hasTyped = false;
  return (byte) => {
    if (line === null) {
      line = { text: "", seconds: performance.now() / 1000 };
      void heard("begins", line);
    }
    if (byte === LINE_FEED) {
      void heard("ends", line);
      line = null;
      return;
    }
    if (byte !== CARRIAGE_RETURN) line.text += String.fromCharCode(byte);
    if (!typed || hasTyped || !line.text.endsWith(typed.after)) return;
    hasTyped = true;
    type(typed.text);
  };
}

async function onTrapscope(task, heard) {
  const { createMachineWorker } = await import("/dist/index.js");
  const media = task.kernel ? { kernel: await fetched("/kernel"), initrd: await fetched("/initrd"), append: task.append } : { drives: { [task.drive]: await fetched("/image") } };
  const machine = await createMachineWorker({ memoryBytes: task.memoryBytes, clock: "real", ...media });
  const listen = listener(task, heard, (text) => void machine.serialWrite(0, new TextEncoder().encode(text)));
  machine.on("serial", ({ port, byte }) => port === 0 && listen(byte));
  const { reason } = await machine.run({ instructions: Number.MAX_SAFE_INTEGER });
  throw new Error(`the guest ended with ${reason}`);
}

async function onV86(task, heard) {
  const { V86 } = await import("/v86/libv86.mjs");
  const whole = async (path) => ({ buffer: await (await fetched(path)).arrayBuffer() });
  const media = task.kernel ? { bzimage: await whole("/kernel"), initrd: await whole("/initrd"), cmdline: task.append } : { [task.drive]: await whole("/image") };
  const emulator = new V86({
    wasm_path: "/v86/v86.wasm", memory_size: task.memoryBytes, vga_memory_size: 8 << 20, bios: await whole("/bios"), vga_bios: await whole("/vgabios"),
    boot_order: task.drive === "fda" ? FLOPPY_FIRST : DISK_FIRST, disable_speaker: true, log_level: 0, autostart: true, ...media,
  });
  emulator.add_listener("serial0-output-byte", listener(task, heard, (text) => emulator.serial0_send(text)));
}

globalThis.measure = (engine, task) => (engine === "v86" ? onV86(task, globalThis.heard) : onTrapscope(task, globalThis.heard));
