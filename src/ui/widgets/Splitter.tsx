// The bar between two panes: dragged with a pointer, or moved with the arrow keys; a double click or Delete puts it back.

import styles from "./Splitter.module.css";

export function Splitter({ label, orientation, value, min, max, onChange, onReset }: {
  readonly label: string;
  /** Of the bar itself: a vertical bar stands between left and right. */
  readonly orientation: "vertical" | "horizontal"; readonly value: number; readonly min: number; readonly max: number; readonly onChange: (percent: number) => void;
  readonly onReset: () => void;
}): React.JSX.Element {
  const vertical = orientation === "vertical";
  const set = (percent: number): void => onChange(Math.round(Math.min(max, Math.max(min, percent)) * 10) / 10);
  const drag = (event: React.PointerEvent<HTMLDivElement>): void => {
    if (!event.currentTarget.hasPointerCapture(event.pointerId)) return;
    const box = event.currentTarget.parentElement?.getBoundingClientRect();
    if (box) set(vertical ? ((event.clientX - box.left) / box.width) * 100 : ((event.clientY - box.top) / box.height) * 100);
  };
  const key = (event: React.KeyboardEvent): void => {
    if (event.key === "Delete") return onReset();
    if (event.key === "Home" || event.key === "End") {
      set(event.key === "Home" ? min : max);
      return event.preventDefault();
    }
    const step = event.key === (vertical ? "ArrowLeft" : "ArrowUp") ? -2 : event.key === (vertical ? "ArrowRight" : "ArrowDown") ? 2 : 0;
    if (step === 0) return;
    set(value + step);
    event.preventDefault();
  };
  return (
    <div
      role="separator" tabIndex={0} aria-label={label} aria-orientation={orientation} aria-valuenow={Math.round(value)} aria-valuemin={Math.round(min)} aria-valuemax={Math.round(max)}
      className={vertical ? styles.vertical : styles.horizontal} onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)} onPointerMove={drag} onKeyDown={key} onDoubleClick={onReset}
    />
  );
}
