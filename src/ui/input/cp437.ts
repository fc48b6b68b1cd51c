// Code page 437, the character set in the ROM of the IBM PC's display adapters, as Unicode (as its glyphs look on the screen).

const LOW = " ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼";
const HIGH =
  "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■ ";

export const CP437: readonly string[] = Array.from({ length: 256 }, (_, code) =>
  code < 32 ? LOW[code] : code === 127 ? "⌂" : code < 127 ? String.fromCharCode(code) : HIGH[code - 128]);
