// The disk inside the fixtures: every byte a function of its place. scripts/build-disk-fixtures.mjs writes it, tests compare with it.

const SECTOR = 512;
/** No multiple of any cluster or block. */
export const TEST_DISK_BYTES = 5 * 2 ** 20 + 3 * SECTOR;

/** Runs of 16 sectors with data, 28 times as many without, and a boot sector with one partition. */
export function testDisk(size = TEST_DISK_BYTES): Uint8Array {
  const disk = new Uint8Array(size);
  const sectors = size / SECTOR;
  for (let sector = 0; sector < sectors; sector++) {
    if ((sector >> 4) % 29 !== 0) continue;
    for (let i = 0; i < SECTOR; i++) disk[sector * SECTOR + i] = (sector * 31 + (i >> 5)) & 0xff;
  }
  disk.fill(0, 0, SECTOR);
  disk.set([0xfa, 0xeb, 0xfd]); // CLI, JMP $-1
  const view = new DataView(disk.buffer);
  disk.set([0x80, 0, 1, 0, 0x83], 446);
  view.setUint32(454, 63, true);
  view.setUint32(458, sectors - 63, true);
  view.setUint16(510, 0xaa55, true);
  return disk;
}
