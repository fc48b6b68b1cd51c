import { expect, it } from "vitest";
import { Machine } from "../machine/machine.ts";
import { setGuestRegisters } from "../machine/guest-registers.ts";
import { DEFAULT_TRANSLATION } from "./code-cache.ts";
import { functionLines } from "./wasm-text.ts";

it("the text of a function is its instructions, a line for what leaves nothing on the stack", () => {
  // (local i32 i32 i64) local.get 0; i32.const -65; i32.add; local.set 1; block; i64.const 2^40; br_if 0; end; i32x4.extract_lane 3 ...
  const body = [2, 2, 0x7f, 1, 0x7e, 0x20, 0, 0x41, 0xbf, 0x7f, 0x6a, 0x21, 1, 0x02, 0x40, 0x42, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20, 0x0d, 0, 0x0b,
    0x20, 0, 0x28, 0, 0x90, 0x20, 0xfd, 0x1b, 3, 0x10, 1, 0x1a, 0x0b];
  expect(functionLines(Uint8Array.from(body), (index) => ["first", "second"][index]!)).toEqual([
    { offset: 0, text: "locals: 2 i32, 1 i64" }, { offset: 5, text: "local.get 0  i32.const -65  i32.add  local.set 1" }, { offset: 13, text: "block" },
    { offset: 15, text: "  i64.const 1099511627776  br_if 0" }, { offset: 24, text: "end" },
    { offset: 25, text: "local.get 0  i32.load offset=0x1010  i32x4.extract_lane 3  call $second  drop" }, { offset: 37, text: "end" },
  ]);
});

it("a region is listed with its guest instructions, and where they go", () => {
  const machine = new Machine({
    memoryBytes: 1 << 20, technique: "emulate", ring: 1, set: {}, clock: "virtual", drives: {}, jit: { ...DEFAULT_TRANSLATION, threshold: 3, batch: 1, patience: 0, listed: true },
  });
  machine.reset();
  // inc eax; add eax,ebx; jnz 1000; jmp 1000
  machine.physical.writeBytes(0x1000, Uint8Array.from([0x40, 0x01, 0xd8, 0x75, 0xfb, 0xeb, 0xf9]));
  const flat = { selector: 8, base: 0, limit: 0xffff_ffff, access: 0xc093 };
  setGuestRegisters(machine, { eip: 0x1000, cpl: 0, cr0: 0x11, ebx: 0, cs: { ...flat, access: 0xc09b }, ss: flat, ds: flat, es: flat });
  for (let n = 0; n < 40; n++) machine.run(100);
  const listings = [...machine.translations!.listings()];
  expect(listings.map(([name]) => name)).toEqual([expect.stringMatching(/^00001000-1-\d+$/)]);
  const [[, text]] = listings;
  expect(text).toMatch(/^4 instructions in \d blocks, \d+ bytes of WebAssembly; as large as it can be\nentered at 00001000\b/);
  expect(text.match(/^0000\d{4} {2}.*$/gm)).toEqual([
    "00001000  inc eax", "00001001  add eax,ebx", expect.stringMatching(/^00001003 {2}jne 0x00001000 {3}-> block \d or block \d$/), expect.stringMatching(/^00001005 {2}jmp 0x00001000 {3}-> block \d$/),
  ]);
  // The sum is computed where the listing says.
  expect(text.slice(text.indexOf("add eax,ebx"), text.indexOf("jne")).match(/i32\.add/g)).toHaveLength(1);
});
