import { describe, expect, it } from "vitest";
import { testExit, testTrap } from "../trace/test-trap.ts";
import { columnsOf, logSeries, moved, TIMELINE_CLASSES, wholeRange } from "./timeline.ts";

const index = (id: string): number => TIMELINE_CLASSES.findIndex((own) => own.id === id);

describe("timeline of a log", () => {
  const traps = [
    testExit({ timeNs: 0, mode: "real" }), testExit({ timeNs: 400, mode: "real" }), testTrap({ timeNs: 1000 }), testExit({ timeNs: 1500, reason: "IRQ", vcpl: 3 }),
    testExit({ timeNs: 2047, reason: "VMX:HLT", vcpl: 3 }),
  ];
  const series = logSeries(traps, 2047);

  it("counts every record once, in its class, in its place", () => {
    expect(series).toMatchObject({ bucketNs: 4, used: 512 });
    const [whole] = columnsOf(series, wholeRange(series), 1);
    expect(whole.events[index("privilege")]).toBe(2);
    expect([whole.events[index("leak")], whole.events[index("interrupt")], whole.events[index("vm-exit")]]).toEqual([1, 1, 1]);
    expect(whole.events.reduce((x, y) => x + y)).toBe(5);
    expect(columnsOf(series, { fromNs: 400, toNs: 404 }, 100)).toMatchObject([{ fromNs: 400, toNs: 404, events: expect.arrayContaining([1]) }]);
  });

  it("shares guest time out to the modes that records were made in", () => {
    const [whole] = columnsOf(series, wholeRange(series), 1);
    expect(whole.modes).toEqual([400, 0, 600, 1047]);
    expect(whole.monitorShare).toBeNull();
  });

  it("never makes more columns than asked for, and leaves no gap", () => {
    const columns = columnsOf(series, { fromNs: 100, toNs: 1900 }, 7);
    expect(columns.length).toBeLessThanOrEqual(7);
    columns.slice(1).forEach((column, at) => expect(column.fromNs).toBe(columns[at].toNs));
    expect(columns[0].fromNs).toBeLessThanOrEqual(100);
    expect(columns.at(-1)!.toNs).toBeGreaterThanOrEqual(1900);
  });
});

describe("pan and zoom", () => {
  const whole = { fromNs: 0, toNs: 1000 };
  it("stays inside of the whole", () => {
    expect(moved({ fromNs: 100, toNs: 300 }, whole, -1)).toEqual({ fromNs: 0, toNs: 200 });
    expect(moved({ fromNs: 900, toNs: 1000 }, whole, 0.5)).toEqual({ fromNs: 900, toNs: 1000 });
    expect(moved({ fromNs: 0, toNs: 1000 }, whole, 0, 4)).toEqual(whole);
  });
  it("zooms about the place that was pointed at, down to a limit", () => {
    expect(moved(whole, whole, 0, 0.5, 0)).toEqual({ fromNs: 0, toNs: 500 });
    expect(moved(whole, whole, 0, 0.5, 1)).toEqual({ fromNs: 500, toNs: 1000 });
    expect(moved({ fromNs: 500, toNs: 600 }, whole, 0, 0.01, 0.5, 80)).toEqual({ fromNs: 510, toNs: 590 });
  });
});
