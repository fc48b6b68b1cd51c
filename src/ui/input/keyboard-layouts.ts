// What each key of a PC keyboard types under the layout that the guest was told: plain, with Shift, with AltGr. The machine sees
// only the places of keys; to paste a text, one must know what the guest makes of them.
//
// ISO/IEC 9995-3 and DIN 2137-1 (T1), BS 4822, AFNOR's traditional AZERTY, UNE 71-102, as Linux's and Windows' tables have them.
//
// With AltGr ~ and ` are dead keys of the French and Spanish layouts on Windows, and plain ones on Linux, as here.
//
// Not implemented: keys with Shift and AltGr together; the dead keys of the US-International layout.

/** Rows of keys as they lie on an ISO keyboard, left to right. */
const ROWS = [
  ["Backquote", "Digit1", "Digit2", "Digit3", "Digit4", "Digit5", "Digit6", "Digit7", "Digit8", "Digit9", "Digit0", "Minus", "Equal"],
  ["KeyQ", "KeyW", "KeyE", "KeyR", "KeyT", "KeyY", "KeyU", "KeyI", "KeyO", "KeyP", "BracketLeft", "BracketRight"],
  ["KeyA", "KeyS", "KeyD", "KeyF", "KeyG", "KeyH", "KeyJ", "KeyK", "KeyL", "Semicolon", "Quote", "Backslash"],
  ["IntlBackslash", "KeyZ", "KeyX", "KeyC", "KeyV", "KeyB", "KeyN", "KeyM", "Comma", "Period", "Slash"],
] as const;

interface LayoutTable {
  readonly title: string;
  /** One string a row and level; a blank types nothing there. */
  readonly plain: readonly string[];
  readonly shift: readonly string[];
  readonly altGr: readonly string[];
  /** Keys that type nothing by themselves, but an accent onto the next letter: character of the table, combining mark. */
  readonly dead: Readonly<Record<string, string>>;
}

const GRAVE = "\u0300", ACUTE = "\u0301", CIRCUMFLEX = "\u0302", DIAERESIS = "\u0308";
const NONE = ["", "", "", ""];

const TABLES = {
  us: {
    title: "US",
    plain: ["`1234567890-=", "qwertyuiop[]", "asdfghjkl;'\\", " zxcvbnm,./"],
    shift: ["~!@#$%^&*()_+", "QWERTYUIOP{}", 'ASDFGHJKL:"|', " ZXCVBNM<>?"],
    altGr: NONE, dead: {},
  },
  uk: {
    title: "British",
    plain: ["`1234567890-=", "qwertyuiop[]", "asdfghjkl;'#", "\\zxcvbnm,./"],
    shift: ['¬!"£$%^&*()_+', "QWERTYUIOP{}", "ASDFGHJKL:@~", "|ZXCVBNM<>?"],
    altGr: ["¦   €        ", "  é   úíó   ", "á           ", ""], dead: {},
  },
  de: {
    title: "German",
    plain: ["^1234567890ß´", "qwertzuiopü+", "asdfghjklöä#", "<yxcvbnm,.-"],
    shift: ['°!"§$%&/()=?`', "QWERTZUIOPÜ*", "ASDFGHJKLÖÄ'", ">YXCVBNM;:_"],
    altGr: ["  ²³   {[]}\\ ", "@ €        ~", "            ", "|      µ   "],
    dead: { "^": CIRCUMFLEX, "´": ACUTE, "`": GRAVE },
  },
  fr: {
    title: "French",
    plain: ['²&é"\'(-è_çà)=', "azertyuiop^$", "qsdfghjklmù*", "<wxcvbn,;:!"],
    shift: [" 1234567890°+", "AZERTYUIOP¨£", "QSDFGHJKLM%µ", ">WXCVBN?./§"],
    altGr: ["  ~#{[|`\\^@]}", "  €        ¤", "            ", ""],
    dead: { "^": CIRCUMFLEX, "¨": DIAERESIS },
  },
  es: {
    title: "Spanish",
    plain: ["º1234567890'¡", "qwertyuiop`+", "asdfghjklñ´ç", "<zxcvbnm,.-"],
    shift: ['ª!"·$%&/()=?¿', "QWERTYUIOP^*", "ASDFGHJKLÑ¨Ç", ">ZXCVBNM;:_"],
    altGr: ["\\|@#~ ¬      ", "  €       []", "          {}", ""],
    dead: { "`": GRAVE, "^": CIRCUMFLEX, "´": ACUTE, "¨": DIAERESIS },
  },
} as const satisfies Readonly<Record<string, LayoutTable>>;

export type LayoutId = keyof typeof TABLES;
export const LAYOUTS: readonly { readonly id: LayoutId; readonly title: string }[] = (Object.keys(TABLES) as LayoutId[]).map((id) => ({ id, title: TABLES[id].title }));

function isLayout(id: string): id is LayoutId {
  return Object.hasOwn(TABLES, id);
}

type Modifier = "ShiftLeft" | "AltRight";
interface Stroke {
  readonly code: string;
  readonly modifier: Modifier | null;
}
export type KeyPress = readonly [code: string, down: boolean];


export class KeyboardLayout {
  readonly id: LayoutId;
  private readonly strokes = new Map<string, readonly Stroke[]>();

  constructor(id: LayoutId) {
    this.id = id;
    const { plain, shift, altGr, dead }: LayoutTable = TABLES[id];
    const accents = new Map<string, Stroke>();
    const levels: readonly (readonly [rows: readonly string[], modifier: Modifier | null])[] = [[plain, null], [shift, "ShiftLeft"], [altGr, "AltRight"]];
    for (const [rows, modifier] of levels) {
      rows.forEach((row, index) => [...row].forEach((character, column) => {
        const code = ROWS[index][column];
        if (character === " " || code === undefined) return;
        const stroke = { code, modifier }, mark = modifier === "AltRight" ? undefined : dead[character];
        if (mark !== undefined) accents.set(mark, stroke);
        else if (!this.strokes.has(character)) this.strokes.set(character, [stroke]);
      }));
    }
    const space: Stroke = { code: "Space", modifier: null };
    for (const [code, characters] of [["Space", [" "]], ["Enter", ["\n", "\r"]], ["Tab", ["\t"]], ["Backspace", ["\b"]], ["Escape", ["\x1b"]]] as const) {
      for (const character of characters) this.strokes.set(character, [{ code, modifier: null }]);
    }
    // An accent and then a blank is the accent itself.
    for (const [character, mark] of Object.entries(dead)) {
      const stroke = accents.get(mark);
      if (stroke && !this.strokes.has(character)) this.strokes.set(character, [stroke, space]);
    }
    for (const [mark, stroke] of accents) {
      for (const letter of "aeiouyAEIOUY") {
        const composed = (letter + mark).normalize("NFC");
        const own = this.strokes.get(letter);
        if (composed.length === 1 && own && !this.strokes.has(composed)) this.strokes.set(composed, [stroke, ...own]);
      }
    }
  }

  /** The keys that type a character, or null: the layout has none for it. */
  keysOf(character: string): readonly KeyPress[] | null {
    const strokes = this.strokes.get(character);
    return strokes ? strokes.flatMap(({ code, modifier }): KeyPress[] => (modifier === null ? [[code, true], [code, false]] : [[modifier, true], [code, true], [code, false], [modifier, false]])) : null;
  }
}

export interface TypedText {
  readonly keys: readonly KeyPress[];
  /** Characters that no key of the layout types, each once, with how often it stood there. */
  readonly missing: readonly { readonly character: string; readonly times: number }[];
}

/** A text as key presses; line ends of any kind are one Enter. */
export function typeText(text: string, layout: KeyboardLayout): TypedText {
  const keys: KeyPress[] = [];
  const missing = new Map<string, number>();
  for (const character of text.replaceAll("\r\n", "\n").normalize("NFC")) {
    const own = layout.keysOf(character);
    if (own) keys.push(...own);
    else missing.set(character, (missing.get(character) ?? 0) + 1);
  }
  return { keys, missing: [...missing].map(([character, times]) => ({ character, times })) };
}

/** `ß (U+00DF)`; what cannot be seen has its number alone. */
export function characterName(character: string): string {
  const code = `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;
  return /[\p{C}\p{Z}\p{M}]/u.test(character) ? code : `${character} (${code})`;
}

/** By its name in the settings; an unknown one is the first. */
export function layoutOf(id: string): KeyboardLayout {
  return new KeyboardLayout(isLayout(id) ? id : "us");
}
