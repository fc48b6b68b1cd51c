import { describe, expect, it } from "vitest";
import type { ScreenPicture } from "../../protocol/screen-view.ts";
import { TextScreenPainter } from "./text-screen.ts";

const picture = (changes: Partial<ScreenPicture> = {}): ScreenPicture => ({
  mode: "text", sequence: 2, width: 0, height: 0, columns: 4, rows: 2, cursor: { row: 1, column: 2 }, blink: true, ...changes,
});
const cells = (text: string, attribute = 0x07): Uint16Array => Uint16Array.from(text, (char) => (attribute << 8) | char.charCodeAt(0));

describe("text screen", () => {
  it("draws everything once, then only the rows that changed", () => {
    const painter = new TextScreenPainter();
    expect(painter.update(picture(), cells("abcdefgh"))).toBe("\x1b[?7l\x1b[2J\x1b[1;1H\x1b[0;37;49mabcd\x1b[2;1H\x1b[0;37;49mefgh\x1b[2;3H\x1b[?25h");
    expect(painter.update(picture(), cells("abcdefgh"))).toBe("");
    expect(painter.update(picture(), cells("abcdefgX"))).toBe("\x1b[2;1H\x1b[0;37;49mefgX\x1b[2;3H\x1b[?25h");
    expect(painter.update(picture({ cursor: null }), cells("abcdefgX"))).toBe("\x1b[?25l");
    painter.forget();
    expect(painter.update(picture(), cells("abcdefgX"))).toContain("abcd");
  });

  it("maps VGA colours, which count blue first, to those of terminals", () => {
    const painter = new TextScreenPainter();
    const first = painter.update(picture({ columns: 2, rows: 1, cursor: null }), Uint16Array.of(0x1e41, 0x8442)); // yellow on blue; blinking red on black
    expect(first).toContain("\x1b[0;93;44mA\x1b[0;31;49;5mB");
    expect(new TextScreenPainter().update(picture({ columns: 1, rows: 1, cursor: null, blink: false }), Uint16Array.of(0x9441))).toContain("\x1b[0;31;104mA");
  });

  it("follows a change of the mode", () => {
    const painter = new TextScreenPainter();
    painter.update(picture(), cells("abcdefgh"));
    expect(painter.update(picture({ columns: 2, rows: 4 }), cells("abcdefgh"))).toContain("\x1b[4;1H\x1b[0;37;49mgh");
  });

  it("gives plain text", () => {
    expect(TextScreenPainter.text(picture(), cells("ab  cd  "))).toBe("ab\ncd");
  });
});
