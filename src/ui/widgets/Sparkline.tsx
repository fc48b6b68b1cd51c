// A tiny line of the last values. Decoration: the number beside it says the same.

export function Sparkline({ values, width = 72, height = 18, colour = "var(--trap)" }: {
  readonly values: readonly number[]; readonly width?: number; readonly height?: number; readonly colour?: string;
}): React.JSX.Element | null {
  if (values.length < 2) return null;
  const most = Math.max(...values, 1);
  const points = values.map((value, index) => `${((index / (values.length - 1)) * width).toFixed(1)},${(height - 1 - (value / most) * (height - 2)).toFixed(1)}`).join(" ");
  return (
    <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`} aria-hidden="true">
      <polyline points={points} fill="none" stroke={colour} strokeWidth="1.4" strokeLinejoin="round" />
    </svg>
  );
}
