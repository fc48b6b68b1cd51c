// The disk inside the fixtures: every byte a function of its place. scripts/build-disk-fixtures.mjs writes it, tests compare with it.

const SECTOR = 512;
/** No multiple of any cluster or block. */
export const TEST_DISK_BYTES = 5 * 2 ** 20 + 3 * SECTOR;

/** What its boot sector sends to COM1 before it waits. */
export const TEST_DISK_SAYS = "read from the fixture disk";

/**
 * jmp 0:7C05 / xor ax,ax / mov ds,ax / cld / mov si,text / mov dx,3F8h / next: lodsb / test al,al / jz done / mov ah,al / add dx,5 /
 * wait: in al,dx / test al,20h / jz wait / sub dx,5 / mov al,ah / out dx,al / jmp next / done: sti / hlt / jmp done
 */
const BOOT_CODE = [
  0xea, 0x05, 0x7c, 0, 0, 0x31, 0xc0, 0x8e, 0xd8, 0xfc, 0xbe, 0x2b, 0x7c, 0xba, 0xf8, 0x03, 0xac, 0x84, 0xc0, 0x74, 0x12, 0x88, 0xc4, 0x83, 0xc2, 0x05,
  0xec, 0xa8, 0x20, 0x74, 0xfb, 0x83, 0xea, 0x05, 0x88, 0xe0, 0xee, 0xeb, 0xe9, 0xfb, 0xf4, 0xeb, 0xfc,
];

/** Runs of 16 sectors with data, 28 times as many without, and a boot sector with one partition. */
export function testDisk(size = TEST_DISK_BYTES): Uint8Array {
  const disk = new Uint8Array(size);
  const sectors = size / SECTOR;
  for (let sector = 0; sector < sectors; sector++) {
    if ((sector >> 4) % 29 !== 0) continue;
    for (let i = 0; i < SECTOR; i++) disk[sector * SECTOR + i] = (sector * 31 + (i >> 5)) & 0xff;
  }
  disk.fill(0, 0, SECTOR);
  disk.set(BOOT_CODE);
  disk.set(new TextEncoder().encode(`${TEST_DISK_SAYS}\0`), BOOT_CODE.length);
  const view = new DataView(disk.buffer);
  disk.set([0x80, 0, 1, 0, 0x83], 446);
  view.setUint32(454, 63, true);
  view.setUint32(458, sectors - 63, true);
  view.setUint16(510, 0xaa55, true);
  return disk;
}
