// What is new on a text screen, to be spoken.

/** A clock or a counter that goes on is no news. */
const likeness = (line: string): string => line.trim().replaceAll(/\d+/g, "0");

/** Lines of the new screen that stood nowhere on the old one: a screen that scrolled says only what came. Each once. */
export function changedLines(before: string, now: string): string[] {
  const old = new Set(before.split("\n").map(likeness));
  return [...new Set(now.split("\n").map((line) => line.trim()))].filter((line) => line !== "" && !old.has(likeness(line)));
}
