import { expect, it } from "vitest";
import { SCREEN_BYTES, ScreenReader, ScreenWriter } from "./screen-view.ts";

it("carries text and graphics with a sequence number that is even when a picture is whole", () => {
  const buffer = new SharedArrayBuffer(SCREEN_BYTES);
  const writer = new ScreenWriter(buffer, 0), reader = new ScreenReader(buffer, 0);
  expect(reader.picture().mode).toBe("off");
  const before = reader.sequence;
  writer.text({ columns: 80, rows: 25, cursor: { row: 3, column: 7 }, blink: true }, (cells) => {
    expect(reader.sequence % 2).toBe(1);
    cells[81] = 0x1f41;
  });
  expect(reader.sequence).toBeGreaterThan(before);
  expect(reader.sequence % 2).toBe(0);
  expect(reader.picture()).toMatchObject({ mode: "text", columns: 80, rows: 25, cursor: { row: 3, column: 7 }, blink: true });
  const cells = new Uint16Array(2000);
  reader.copyCells(cells, 2000);
  expect(cells[81]).toBe(0x1f41);

  writer.graphics(320, 200, (pixels) => {
    pixels[0] = 0xff00_80ff;
  });
  const rgba = new Uint8ClampedArray(8);
  reader.copyPixels(rgba, 2);
  expect([...rgba.subarray(0, 4)]).toEqual([0xff, 0x80, 0, 0xff]);
  expect(reader.picture()).toMatchObject({ mode: "graphics", width: 320, height: 200 });
  writer.off();
  expect(reader.picture().mode).toBe("off");
});
