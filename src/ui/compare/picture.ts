// The comparison as a picture to pass on: an SVG of our own, drawn once into a PNG.

import { type Column, MEASURES, subjectName } from "../../store/compare.ts";
import { OUTCOME_TEXTS } from "../texts.ts";

const ROW = 26, LEFT = 170, WIDE = 190, HEAD = 96;

const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

export function comparisonSvg(title: string, columns: readonly Column[]): string {
  const width = LEFT + columns.length * WIDE + 24, height = HEAD + (MEASURES.length + 2) * ROW + 34;
  const text = (x: number, y: number, value: string, more = ""): string => `<text x="${x}" y="${y}" ${more}>${escaped(value)}</text>`;
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="ui-monospace, Menlo, Consolas, monospace" font-size="13">`,
    `<rect width="${width}" height="${height}" fill="#0d1216"/>`,
    text(20, 34, title, 'fill="#dbe4eb" font-size="18" font-weight="700" font-family="system-ui, sans-serif"'),
    text(20, 56, "the same guest under each technique, virtual clock", 'fill="#93a3b0" font-size="12" font-family="system-ui, sans-serif"'),
  ];
  columns.forEach(({ subject, report, problem }, column) => {
    const right = LEFT + (column + 1) * WIDE;
    parts.push(text(right, HEAD - 8, subjectName(subject), 'fill="#62b8e0" font-weight="700" text-anchor="end"'));
    const good = report ? OUTCOME_TEXTS[report.outcome].good : false;
    parts.push(text(right, HEAD + ROW - 8, report ? report.outcome : (problem ? "failed" : "-"), `fill="${good ? "#74d19a" : "#ff8a8a"}" text-anchor="end"`));
    MEASURES.forEach(([, , value], row) => {
      if (!report) return;
      const y = HEAD + (row + 2) * ROW - 8, own = value(report), most = Math.max(...columns.map((other) => (other.report ? value(other.report) : 0)), 1);
      parts.push(`<rect x="${right - (WIDE - 40) * (own / most)}" y="${y + 3}" width="${(WIDE - 40) * (own / most)}" height="3" rx="1.5" fill="#5c431a"/>`);
      parts.push(text(right, y, Math.round(own).toLocaleString("en-US"), 'fill="#dbe4eb" text-anchor="end"'));
    });
  });
  ["end", ...MEASURES.map(([name]) => name)].forEach((name, row) => parts.push(text(20, HEAD + (row + 1) * ROW - 8, name, 'fill="#93a3b0"')));
  parts.push(text(20, height - 14, "trapscope", 'fill="#6b7c8a" font-size="11"'), "</svg>");
  return parts.join("");
}

/** The SVG's pixels, twice as many each way. */
export async function toPng(svg: string): Promise<Blob> {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = image.width * 2;
  canvas.height = image.height * 2;
  canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) => canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("the picture could not be made"))), "image/png"));
}
