// Sizes of memory as people write them.

const MEGABYTE = 1 << 20;

/** "128M", "1G", "65536K" or plain bytes; null if it is none of these or outside 1 MB to 1 GB. */
export function parseMemory(text: string): number | null {
  const match = /^(\d+)([KMG]?)$/i.exec(text.trim());
  if (!match) return null;
  const bytes = Number(match[1]) * { "": 1, K: 1024, M: MEGABYTE, G: 1024 * MEGABYTE }[match[2].toUpperCase() as "" | "K" | "M" | "G"];
  return bytes >= MEGABYTE && bytes <= 1024 * MEGABYTE ? bytes : null;
}
