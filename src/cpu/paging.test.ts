import { beforeEach, describe, expect, it } from "vitest";
import { BareCpu, DEVICE_PAGE, ROM_PAGE } from "../../test/support/bare-cpu.ts";
import { CPL, CR0, CR2, CR3, CR4, DR0, DR7, EFLAGS_SHARED, PDPTE, SLOW_RESULT } from "../isa/state-layout.ts";
import { load, load64, probeWrite, store, store64, translate, translateCode } from "./linear-memory.ts";
import { peekPhysical } from "./paging.ts";

const DIRECTORY = 0x10_0000, TABLE = 0x10_1000, TABLE_2 = 0x10_2000, FRAME = 0x20_0000;
const P = 1, W = 2, U = 4, A = 0x20, D = 0x40, PS = 0x80, G = 0x100;
const PG_PE = 0x8000_0001 | 0, WP = 0x1_0000;

let b: BareCpu;

function pageFault(run: () => unknown): string {
  run();
  const cr2 = b.cpu.context.get(CR2) >>> 0;
  const fault = b.fault();
  return fault === "" ? "" : `${fault} ${cr2.toString(16)}`;
}

describe("32-bit paging", () => {
  beforeEach(() => {
    b = new BareCpu();
    b.cpu.context.set(CR3, DIRECTORY);
    b.cpu.context.set(CR0, PG_PE);
    b.w32(DIRECTORY, TABLE | P | W | U);
    b.cpu.updateMode();
  });

  it("translates and sets accessed and dirty bits when they apply", () => {
    b.w32(TABLE + 4, FRAME | P | W);
    b.w32(FRAME + 0x10, 0x1234_5678);
    expect(load(b.cpu, 0x1010, 4, false)).toBe(0x1234_5678);
    expect(b.r32(DIRECTORY)).toBe(TABLE | P | W | U | A);
    expect(b.r32(TABLE + 4)).toBe(FRAME | P | W | A);
    store(b.cpu, 0x1014, 2, 0xabcd, false);
    expect(b.r32(TABLE + 4)).toBe(FRAME | P | W | A | D);
    expect(b.r16(FRAME + 0x14)).toBe(0xabcd);
  });

  it("sets no bit when the access is refused", () => {
    b.w32(TABLE + 4, FRAME | P);
    expect(pageFault(() => store(b.cpu, 0x1000, 1, 0, true))).toBe("#14(7) 1000");
    expect(b.r32(DIRECTORY)).toBe(TABLE | P | W | U);
    expect(b.r32(TABLE + 4)).toBe(FRAME | P);
  });

  it.each([
    // pte rights, pde rights, write, user, WP, error code or null
    ["supervisor reads anything present", P, P, false, false, false, null],
    ["supervisor writes read-only with WP=0", P, P, true, false, false, null],
    ["supervisor writes read-only with WP=1", P, P, true, false, true, 3],
    ["supervisor writes where the PDE is read-only, WP=1", P | W | U, P | U, true, false, true, 3],
    ["user reads a user page", P | U, P | U, false, true, true, null],
    ["user reads a supervisor page", P, P | U, false, true, false, 5],
    ["user reads where the PDE is supervisor", P | U, P, false, true, false, 5],
    ["user writes read-only whatever WP", P | U, P | U | W, true, true, false, 7],
    ["user writes where the PDE is read-only", P | U | W, P | U, true, true, false, 7],
    ["user writes a writable page", P | U | W, P | U | W, true, true, true, null],
    ["supervisor reads a page that is not present", W | U, P | W | U, false, false, false, 0],
    ["user writes a page that is not present", W | U, P | W | U, true, true, false, 6],
    ["user reads where the PDE is not present", P | W | U, W | U, false, true, false, 4],
    ["supervisor writes where the PDE is not present", P | W | U, W | U, true, false, false, 2],
  ] as const)("%s", (_name, pte, pde, write, user, wp, error) => {
    b.w32(DIRECTORY, TABLE | pde);
    b.w32(TABLE + 8, FRAME | pte);
    b.cpu.context.set(CR0, PG_PE | (wp ? WP : 0));
    const access = (): unknown => (write ? store(b.cpu, 0x2abc, 1, 1, user) : load(b.cpu, 0x2abc, 1, user));
    expect(pageFault(access)).toBe(error === null ? "" : `#14(${error}) 2abc`);
  });

  it("finds the same rights again in the TLB, each privilege for itself", () => {
    b.w32(TABLE + 4, FRAME | P | W);
    store(b.cpu, 0x1000, 4, 1, false);
    expect(pageFault(() => load(b.cpu, 0x1000, 4, true))).toBe("#14(5) 1000");
    expect(pageFault(() => store(b.cpu, 0x1000, 4, 1, true))).toBe("#14(7) 1000");
    expect(pageFault(() => store(b.cpu, 0x1000, 4, 2, false))).toBe("");
  });

  it("keeps a translation until it is invalidated", () => {
    b.w32(TABLE + 4, FRAME | P | W, (FRAME + 0x1000) | P | W);
    store(b.cpu, 0x1000, 1, 7, false);
    b.w32(TABLE + 4, (FRAME + 0x2000) | P | W);
    expect(load(b.cpu, 0x1000, 1, false)).toBe(7);
    b.call("invalidatePage", 0x1fff);
    expect(load(b.cpu, 0x1000, 1, false)).toBe(0);
  });

  it("finds a page clean in the TLB and dirties it at the first write", () => {
    b.w32(TABLE + 4, FRAME | P | W);
    load(b.cpu, 0x1000, 1, false);
    expect(b.r32(TABLE + 4) & D).toBe(0);
    store(b.cpu, 0x1000, 1, 7, false);
    expect(b.r32(TABLE + 4) & D).toBe(D);
  });

  it("keeps global pages over a write to CR3 while CR4.PGE is set", () => {
    b.cpu.context.set(CR4, 0x80);
    b.w32(TABLE + 4, FRAME | P | W | G, (FRAME + 0x1000) | P | W);
    load(b.cpu, 0x1000, 1, false);
    load(b.cpu, 0x2000, 1, false);
    b.w32(TABLE + 4, 0, 0);
    b.call("writeControl", 3, DIRECTORY);
    expect(pageFault(() => load(b.cpu, 0x1000, 1, false))).toBe("");
    expect(pageFault(() => load(b.cpu, 0x2000, 1, false))).toBe("#14(0) 2000");
    b.call("invalidatePage", 0x1000);
    expect(pageFault(() => load(b.cpu, 0x1000, 1, false))).toBe("#14(0) 1000");
  });

  it("ignores G without CR4.PGE, and a change of PGE drops all", () => {
    b.w32(TABLE + 4, FRAME | P | W | G);
    load(b.cpu, 0x1000, 1, false);
    b.w32(TABLE + 4, 0);
    b.call("writeControl", 3, DIRECTORY);
    expect(pageFault(() => load(b.cpu, 0x1000, 1, false))).toBe("#14(0) 1000");
    b.cpu.context.set(CR4, 0x80);
    b.w32(TABLE + 4, FRAME | P | W | G);
    load(b.cpu, 0x1000, 1, false);
    b.w32(TABLE + 4, 0);
    b.call("writeControl", 4, 0);
    expect(pageFault(() => load(b.cpu, 0x1000, 1, false))).toBe("#14(0) 1000");
  });

  describe("4 MB pages", () => {
    beforeEach(() => b.cpu.context.set(CR4, 0x10));

    it("maps 4 MB with A and D in the PDE", () => {
      b.w32(DIRECTORY + 4, 0x40_0000 | PS | P | W | U);
      store(b.cpu, 0x40_0000 + 0x12_3456, 4, 0x55, true);
      expect(b.r32(0x40_0000 + 0x12_3456)).toBe(0x55);
      expect(b.r32(DIRECTORY + 4)).toBe(0x40_0000 | PS | P | W | U | A | D);
    });

    it("is a page table where CR4.PSE is clear", () => {
      b.cpu.context.set(CR4, 0);
      b.w32(DIRECTORY + 4, TABLE_2 | PS | P | W);
      b.w32(TABLE_2, FRAME | P);
      b.w8(FRAME, 9);
      expect(load(b.cpu, 0x40_0000, 1, false)).toBe(9);
    });

    it.each([["pentium", 13], ["pentium", 16], ["pentium4", 17], ["pentium4", 21]] as const)("on a %s faults with RSVD for bit %d of the PDE", (model, bit) => {
      b = new BareCpu(model);
      b.cpu.context.set(CR3, DIRECTORY);
      b.cpu.context.set(CR0, PG_PE);
      b.cpu.context.set(CR4, 0x10);
      b.w32(DIRECTORY + 4, (1 << bit) | PS | P | W | U);
      expect(pageFault(() => load(b.cpu, 0x40_0004, 1, true))).toBe("#14(d) 400004");
      expect(pageFault(() => store(b.cpu, 0x40_0004, 1, 1, false))).toBe("#14(b) 400004");
    });

    it("PSE-36: bits 13 to 16 are address bits 32 to 35", () => {
      b.w32(DIRECTORY + 4, 0x40_0000 | (1 << 15) | PS | P | W);
      b.w32(0x40_0010, 5);
      expect(load(b.cpu, 0x40_0010, 4, false)).toBe(-1);
      expect(b.fault()).toBe("");
    });

    it("INVLPG drops the whole page, global or not", () => {
      b.cpu.context.set(CR4, 0x90);
      b.w32(DIRECTORY + 4, 0x40_0000 | PS | P | W | G);
      load(b.cpu, 0x40_0000, 1, false);
      load(b.cpu, 0x7f_f000, 1, false);
      translateCode(b.cpu, 0x60_0000);
      b.w32(DIRECTORY + 4, 0);
      b.call("invalidatePage", 0x50_0000);
      for (const linear of [0x40_0000, 0x7f_f000]) expect(pageFault(() => load(b.cpu, linear, 1, false))).toBe(`#14(0) ${linear.toString(16)}`);
      expect(translateCode(b.cpu, 0x60_0000)).toBe(0);
    });
  });

  it("crosses pages and proves both before the first byte", () => {
    b.w32(TABLE + 4, FRAME | P | W, (FRAME + 0x5000) | P | W);
    store(b.cpu, 0x1ffe, 4, 0x4433_2211, false);
    expect(b.r16(FRAME + 0xffe)).toBe(0x2211);
    expect(b.r16(FRAME + 0x5000)).toBe(0x4433);
    expect(load(b.cpu, 0x1ffd, 4, false) >>> 0).toBe(0x3322_1100);
    expect(load(b.cpu, 0x1fff, 2, false)).toBe(0x3322);
    // Both pages are in the TLB now: the same again without a walk.
    b.w32(TABLE + 4, 0, 0);
    for (const from of [0x1ffd, 0x1ffe, 0x1fff]) {
      store(b.cpu, from, 4, 0x8877_6655, false);
      expect(load(b.cpu, from, 4, false) >>> 0).toBe(0x8877_6655);
      const left = 0x2000 - from;
      expect([b.r8(FRAME + from - 0x1000), b.r8(FRAME + 0x5000), b.r8(FRAME + 0x5003 - left)]).toEqual([0x55, 0x55 + 0x11 * left, 0x88]);
    }
    b.w32(TABLE + 4, FRAME | P | W, (FRAME + 0x5000) | P | W);
    store(b.cpu, 0x1ffe, 4, 0x4433_2211, false);
    b.w32(TABLE + 8, (FRAME + 0x5000) | P);
    b.call("invalidatePage", 0x2000);
    b.cpu.context.set(CR0, PG_PE | WP);
    b.cpu.tlb.flushAll();
    expect(pageFault(() => store(b.cpu, 0x1ffd, 4, 0, false))).toBe("#14(3) 2000");
    expect(b.r16(FRAME + 0xffe)).toBe(0x2211);
    b.w32(TABLE + 4, 0);
    b.cpu.tlb.flushAll();
    expect(pageFault(() => load(b.cpu, 0x1ffd, 4, false))).toBe("#14(0) 1ffd");
  });

  it("wraps from the top of the linear space to 0", () => {
    b.w32(TABLE, FRAME | P | W);
    b.w32(DIRECTORY + 0xffc, TABLE_2 | P | W);
    b.w32(TABLE_2 + 0xffc, (FRAME + 0x1000) | P | W);
    store(b.cpu, 0xffff_fffe | 0, 4, 0x0403_0201, false);
    expect(b.r16(FRAME + 0x1ffe)).toBe(0x0201);
    expect(b.r16(FRAME)).toBe(0x0403);
  });

  it("moves 64 bits over a page boundary or not at all", () => {
    b.w32(TABLE + 4, FRAME | P | W, (FRAME + 0x1000) | P | W);
    store64(b.cpu, 0x1ffc, 0x1111_1111, 0x2222_2222, false);
    load64(b.cpu, 0x1ffc, false);
    expect([b.cpu.state.i32[SLOW_RESULT.offset >> 2], b.cpu.state.i32[(SLOW_RESULT.offset >> 2) + 1]]).toEqual([0x1111_1111, 0x2222_2222]);
    b.w32(TABLE + 8, 0);
    b.call("invalidatePage", 0x2000);
    expect(pageFault(() => store64(b.cpu, 0x1ffc, 5, 6, false))).toBe("#14(2) 2000");
    expect(b.r32(FRAME + 0xffc)).toBe(0x1111_1111);
    expect(probeWrite(b.cpu, 0x1ff0, 0x11, false)).toBe(false);
    b.fault();
    expect(probeWrite(b.cpu, 0x1ff0, 0x10, false)).toBe(true);
  });

  it("keeps instruction and data translations apart", () => {
    b.w32(TABLE + 4, FRAME | P | W | U);
    expect(translateCode(b.cpu, 0x1abc)).toBe(FRAME | 1 | 2);
    b.w32(TABLE + 4, (FRAME + 0x1000) | P | W);
    b.w8(FRAME + 0x1000, 3);
    expect(load(b.cpu, 0x1000, 1, false)).toBe(3);
    expect(translateCode(b.cpu, 0x1000)).toBe(FRAME | 1 | 2);
    b.cpu.context.set(CPL, 3);
    b.call("invalidatePage", 0x1000);
    expect(pageFault(() => translateCode(b.cpu, 0x1234))).toBe("#14(5) 1234");
  });

  it("looks without leaving a trace", () => {
    b.w32(TABLE + 4, FRAME | P);
    expect(peekPhysical(b.cpu, 0x1abc)).toBe(FRAME + 0xabc);
    expect(peekPhysical(b.cpu, 0x2abc)).toBe(-1);
    expect(b.r32(TABLE + 4)).toBe(FRAME | P);
    expect(b.fault()).toBe("");
  });

  it("reports writes of accessed bits into a page that holds code", () => {
    b.w32(TABLE + 4, FRAME | P);
    b.cpu.markCode(TABLE >> 12);
    load(b.cpu, 0x1000, 1, false);
    expect(b.log).toEqual(["code 101004+4"]);
  });
});

describe("PAE paging", () => {
  const POINTERS = 0x10_3020;
  const pae = (address: number, low: number, high = 0): void => b.w32(address, low, high);

  beforeEach(() => {
    b = new BareCpu();
    pae(POINTERS, DIRECTORY | P);
    pae(POINTERS + 24, TABLE_2 | P);
    pae(DIRECTORY, TABLE | P | W | U);
    b.cpu.context.set(CR4, 0x20);
    b.cpu.context.set(CR3, POINTERS);
    b.call("writeControl", 0, PG_PE);
    expect(b.fault()).toBe("");
  });

  it("walks three levels", () => {
    pae(TABLE + 8, FRAME | P | W | U);
    store(b.cpu, 0x1004, 4, 77, true);
    expect(b.r32(FRAME + 4)).toBe(77);
    expect(b.r32(DIRECTORY)).toBe(TABLE | P | W | U | A);
    expect(b.r32(TABLE + 8)).toBe(FRAME | P | W | U | A | D);
    expect(b.r32(POINTERS)).toBe(DIRECTORY | P);
    expect(peekPhysical(b.cpu, 0x1004)).toBe(FRAME + 4);
  });

  it("uses the four pointers as they were when CR3 was loaded", () => {
    pae(TABLE_2, 0x40_0000 | PS | P | W);
    b.w32(0x41_2344, 5);
    expect(load(b.cpu, 0xc001_2344 | 0, 4, false)).toBe(5);
    pae(POINTERS + 24, 0);
    b.cpu.tlb.flushAll();
    expect(load(b.cpu, 0xc001_2344 | 0, 4, false)).toBe(5);
    b.call("writeControl", 3, POINTERS);
    expect(pageFault(() => load(b.cpu, 0xc001_2344 | 0, 4, false))).toBe("#14(0) c0012344");
  });

  it("has 2 MB pages whatever CR4.PSE, and INVLPG drops 2 MB", () => {
    pae(DIRECTORY + 8, 0x40_0000 | PS | P | W);
    load(b.cpu, 0x20_0000, 1, false);
    load(b.cpu, 0x3f_f000, 1, false);
    expect(b.r32(DIRECTORY + 8)).toBe(0x40_0000 | PS | P | W | A);
    pae(DIRECTORY + 8, 0);
    b.call("invalidatePage", 0x30_0000);
    expect(pageFault(() => load(b.cpu, 0x3f_f000, 1, false))).toBe("#14(0) 3ff000");
    expect(pageFault(() => load(b.cpu, 0x20_0000, 1, false))).toBe("#14(0) 200000");
  });

  it("faults with RSVD for address bits above 36 and, without NXE, for bit 63", () => {
    pae(TABLE + 8, FRAME | P, 0x10);
    expect(pageFault(() => load(b.cpu, 0x1000, 1, false))).toBe("#14(9) 1000");
    pae(TABLE + 8, FRAME | P, 0x8000_0000 | 0);
    expect(pageFault(() => load(b.cpu, 0x1000, 1, true))).toBe("#14(d) 1000");
    pae(DIRECTORY + 8, 0x40_2000 | PS | P);
    expect(pageFault(() => load(b.cpu, 0x20_0000, 1, false))).toBe("#14(9) 200000");
    pae(DIRECTORY + 16, TABLE | P, 0x4000_0000);
    expect(pageFault(() => load(b.cpu, 0x40_0000, 1, false))).toBe("#14(9) 400000");
    pae(DIRECTORY + 16, TABLE, 0x4000_0000);
    expect(pageFault(() => load(b.cpu, 0x40_0000, 1, false))).toBe("#14(0) 400000");
  });

  it.each([[P | 2, 0], [P | 4, 0], [P | 0x20, 0], [P | 0x100, 0], [P, 0x10], [P, 0x8000_0000 | 0]])("MOV CR3 refuses a pointer with reserved bits %#x %#x and changes nothing", (low, high) => {
    pae(0x10_4000, DIRECTORY | low, high);
    b.call("writeControl", 3, 0x10_4000);
    expect(b.fault()).toBe("#13(0)");
    expect(b.cpu.context.get(CR3)).toBe(POINTERS);
    expect(b.cpu.context.getAt(PDPTE, 0)).toBe(DIRECTORY | P);
  });

  it("refuses to fetch where bit 63 is set at either level, with NXE", () => {
    const XD = 0x8000_0000 | 0;
    b.cpu.state.setGpr(0, 0x800);
    b.cpu.state.setGpr(1, 0xc000_0080 | 0);
    b.cpu.state.setGpr(2, 0);
    b.call("writeMsr");
    expect(b.fault()).toBe("");
    pae(TABLE + 8, FRAME | P | W | U, XD);
    expect(pageFault(() => load(b.cpu, 0x1000, 1, true))).toBe("");
    expect(pageFault(() => translateCode(b.cpu, 0x1000))).toBe("#14(11) 1000");
    expect(pageFault(() => translateCode(b.cpu, 0x2000))).toBe("#14(10) 2000");
    pae(TABLE + 8, FRAME | P | W | U);
    expect(translateCode(b.cpu, 0x1000)).toBe(FRAME | 1 | 2);
    pae(DIRECTORY, TABLE | P | W | U, XD);
    b.cpu.tlb.flushAll();
    expect(pageFault(() => translateCode(b.cpu, 0x1000))).toBe("#14(11) 1000");
    pae(DIRECTORY + 8, 0x40_0000 | PS | P, XD);
    b.cpu.context.set(CPL, 3);
    expect(pageFault(() => translateCode(b.cpu, 0x20_0000))).toBe("#14(15) 200000");
    expect(pageFault(() => load(b.cpu, 0x20_0000, 1, false))).toBe("");
    // Without NXE the bit is reserved, and the error code says nothing of fetches.
    b.cpu.context.set(CPL, 0);
    b.cpu.state.setGpr(0, 0);
    b.call("writeMsr");
    expect(pageFault(() => load(b.cpu, 0x1000, 1, false))).toBe("#14(9) 1000");
    expect(pageFault(() => translateCode(b.cpu, 0x40_0000))).toBe("#14(0) 400000");
  });

  it("reaches 64 GB, where nothing answers beyond 4 GB", () => {
    pae(TABLE + 8, FRAME | P | W | U, 0xf);
    b.w32(FRAME, 0x1234);
    expect(load(b.cpu, 0x1000, 4, false)).toBe(-1);
    expect(load(b.cpu, 0x1002, 2, true)).toBe(0xffff);
    store(b.cpu, 0x1000, 4, 7, false);
    expect([b.r32(FRAME), b.log, b.r32(TABLE + 8) & (A | D)]).toEqual([0x1234, [], A | D]);
    expect(peekPhysical(b.cpu, 0x1000)).toBe(-1);
    translateCode(b.cpu, 0x1000);
    expect(b.fault()).toBe("#6");
    // A table up there reads as ones: present, and with reserved bits.
    pae(DIRECTORY + 8, TABLE | P | W | U, 1);
    expect(pageFault(() => load(b.cpu, 0x20_0000, 1, false))).toBe("#14(9) 200000");
  });

  it("ignores reserved bits of a pointer that is not present", () => {
    pae(POINTERS, 0x1e6);
    b.call("writeControl", 3, POINTERS);
    expect(b.fault()).toBe("");
    expect(pageFault(() => load(b.cpu, 0x1000, 1, false))).toBe("#14(0) 1000");
  });

  it("latches the pointers when CR4.PAE is set under paging", () => {
    b.call("writeControl", 4, 0);
    pae(POINTERS, TABLE_2 | P);
    pae(TABLE_2, FRAME | PS | P);
    b.call("writeControl", 4, 0x20);
    expect(b.cpu.context.getAt(PDPTE, 0)).toBe(TABLE_2 | P);
    pae(POINTERS, TABLE_2 | P | 2);
    b.call("writeControl", 4, 0);
    b.call("writeControl", 4, 0x20);
    expect(b.fault()).toBe("#13(0)");
    expect(b.cpu.context.get(CR4)).toBe(0);
  });
});

describe("memory that is not plain", () => {
  beforeEach(() => {
    b = new BareCpu();
  });

  it("reads ROM and sends writes to it away", () => {
    b.w32(ROM_PAGE << 12, 0x1234);
    expect(load(b.cpu, ROM_PAGE << 12, 4, false)).toBe(0x1234);
    store(b.cpu, ROM_PAGE << 12, 4, 7, false);
    expect(b.r32(ROM_PAGE << 12)).toBe(0x1234);
    expect(b.log).toEqual(["write 300000/4 7"]);
  });

  it("asks the device for each access, in its width and with its bytes alone", () => {
    const at = DEVICE_PAGE << 12;
    expect(load(b.cpu, at + 8, 4, false)).toBe(0x1122_3344);
    expect(load(b.cpu, at + 8, 2, false)).toBe(0x3344);
    expect(load(b.cpu, at + 8, 1, false)).toBe(0x44);
    store(b.cpu, at, 1, 0x1ff, false);
    store(b.cpu, at, 2, -1, false);
    store(b.cpu, at, 4, -1, false);
    expect(b.log).toEqual(["read 400008/4", "read 400008/2", "read 400008/1", "write 400000/1 ff", "write 400000/2 ffff", "write 400000/4 ffffffff"]);
  });

  it("crosses from RAM into a device byte by byte", () => {
    const at = DEVICE_PAGE << 12;
    store(b.cpu, at - 2, 4, 0x4433_2211, false);
    expect(b.r16(at - 2)).toBe(0x2211);
    expect(b.log).toEqual(["write 400000/1 33", "write 400001/1 44"]);
  });

  it("remembers a paged device translation until it is flushed", () => {
    b.cpu.context.set(CR3, DIRECTORY);
    b.cpu.context.set(CR0, PG_PE);
    b.w32(DIRECTORY, TABLE | P | W | U);
    b.w32(TABLE + 4, (DEVICE_PAGE << 12) | P | W | U);
    store(b.cpu, 0x1004, 1, 1, true);
    b.w32(TABLE + 4, 0);
    store(b.cpu, 0x1005, 1, 2, true);
    expect(b.log).toEqual(["write 400004/1 1", "write 400005/1 2"]);
    b.cpu.tlb.flushNonGlobal();
    expect(pageFault(() => store(b.cpu, 0x1005, 1, 2, true))).toBe("#14(6) 1005");
  });

  it("masks A20 in accesses and in page walks", () => {
    b.a20Mask = ~0x10_0000;
    store(b.cpu, 0x10_0010, 4, 0x77, false);
    expect(b.r32(0x10)).toBe(0x77);
    expect(b.r32(0x10_0010)).toBe(0);
    b.cpu.context.set(CR3, 0x10_4000);
    b.cpu.context.set(CR0, PG_PE);
    b.w32(0x4000, 0x10_5000 | P);
    b.w32(0x5000 + 4, 0x10_6000 | P);
    b.w32(0x6008, 0x99);
    b.cpu.tlb.flushAll();
    expect(load(b.cpu, 0x1008, 4, false)).toBe(0x99);
    expect(peekPhysical(b.cpu, 0x1008)).toBe(0x6008);
  });

  it("reports stores to pages that hold code, and again to none", () => {
    store(b.cpu, 0x5000, 4, 1, false);
    b.cpu.markCode(5);
    store(b.cpu, 0x5ffe, 2, 2, false);
    store(b.cpu, 0x4fff, 2, 3, false);
    expect(b.log).toEqual(["code 5ffe+2", "code 5000+1"]);
    b.cpu.unmarkCode(5);
    store(b.cpu, 0x5000, 4, 4, false);
    expect(b.log.length).toBe(2);
    expect(b.cpu.state.i32[(b.cpu.tlb.tables.writeSupervisor >> 2) + 5] & 0xfff).toBe(0);
  });

  it("fills the TLB again after a paged code page was released", () => {
    b.cpu.context.set(CR3, DIRECTORY);
    b.cpu.context.set(CR0, PG_PE);
    b.w32(DIRECTORY, TABLE | P | W);
    b.w32(TABLE + 4, FRAME | P | W);
    b.cpu.markCode(FRAME >> 12);
    store(b.cpu, 0x1000, 4, 1, false);
    store(b.cpu, 0x1000, 4, 2, false);
    expect(b.log.length).toBe(2);
    b.cpu.unmarkCode(FRAME >> 12);
    store(b.cpu, 0x1000, 4, 3, false);
    expect(b.cpu.state.i32[(b.cpu.tlb.tables.writeSupervisor >> 2) + 1] & 0xfff).toBe(0);
    expect(b.log.length).toBe(2);
  });
});

describe("what must not be fast", () => {
  beforeEach(() => {
    b = new BareCpu();
  });

  it("checks alignment at CPL 3 with AM and AC alone", () => {
    load(b.cpu, 0x1001, 4, true);
    expect(b.fault()).toBe("");
    b.cpu.context.set(CR0, 0x4_0001);
    b.cpu.state.write(EFLAGS_SHARED, 0x4_0000);
    b.cpu.context.set(CPL, 3);
    b.cpu.updateMode();
    load(b.cpu, 0x1001, 4, true);
    expect(b.fault()).toBe("#17(0)");
    load(b.cpu, 0x1004, 4, true);
    load(b.cpu, 0x1003, 1, true);
    load(b.cpu, 0x1005, 2, false);
    expect(b.fault()).toBe("");
    store(b.cpu, 0x1fff, 2, 0, true);
    expect(b.fault()).toBe("#17(0)");
    load64(b.cpu, 0x1004, true);
    expect(b.fault()).toBe("#17(0)");
    b.cpu.state.write(EFLAGS_SHARED, 0);
    b.cpu.updateMode();
    load(b.cpu, 0x1001, 4, true);
    expect(b.fault()).toBe("");
  });

  it("sees data breakpoints on a page that was in the TLB", () => {
    store(b.cpu, 0x1000, 4, 0, false);
    b.call("writeDebug", 0, 0x1004);
    b.call("writeDebug", 1, 0x1009);
    // DR0: write, 4 bytes; DR1: access, 1 byte.
    b.call("writeDebug", 7, 0x1 | 0x4 | (0xd << 16) | (0x3 << 20));
    load(b.cpu, 0x1004, 4, false);
    expect(b.cpu.pendingDebug).toBe(0);
    store(b.cpu, 0x1007, 1, 0, false);
    expect(b.cpu.pendingDebug).toBe(1);
    load(b.cpu, 0x1006, 4, false);
    expect(b.cpu.pendingDebug).toBe(3);
    b.cpu.pendingDebug = 0;
    store(b.cpu, 0x1003, 1, 0, false);
    store(b.cpu, 0x1008, 1, 0, false);
    expect(b.cpu.pendingDebug).toBe(0);
    b.call("writeDebug", 7, 0);
    store(b.cpu, 0x1004, 4, 0, false);
    expect(b.cpu.pendingDebug).toBe(0);
    expect(b.cpu.state.i32[(b.cpu.tlb.tables.writeSupervisor >> 2) + 1] & 0xfff).toBe(0);
    expect([b.cpu.context.getAt(DR0, 0), b.cpu.context.get(DR7)]).toEqual([0x1004, 0x400]);
  });

  it("survives a full journal", () => {
    b.cpu.context.set(CR3, DIRECTORY);
    b.cpu.context.set(CR0, PG_PE);
    b.w32(DIRECTORY, TABLE | P | W);
    b.w32(TABLE + 4, FRAME | P | W);
    for (let i = 0; i < 70_000; i++) {
      translate(b.cpu, 0x1000, true, false);
      b.cpu.tlb.flushPage(0x1000);
    }
    store(b.cpu, 0x1000, 4, 5, false);
    b.cpu.tlb.flushAll();
    b.w32(TABLE + 4, 0);
    expect(pageFault(() => load(b.cpu, 0x1000, 4, false))).toBe("#14(0) 1000");
  });
});
