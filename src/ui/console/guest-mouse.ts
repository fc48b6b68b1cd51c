// The mouse while the guest has it: the browser locks the pointer to the screen, and says how far it was moved.

/** `captured` is told when the guest gets the mouse, and when the person has it back. Returns what ends it. */
export function listenToMouse(element: HTMLElement, move: (dx: number, dy: number, dz: number, buttons: number) => void, captured: (own: boolean) => void): () => void {
  const own = (): boolean => document.pointerLockElement === element;
  /** Parts of counts, on screens whose pixels are no whole counts. */
  let restX = 0, restY = 0;
  const onMove = (event: MouseEvent): void => {
    if (!own()) return;
    const x = restX + event.movementX, y = restY + event.movementY;
    restX = x - Math.trunc(x);
    restY = y - Math.trunc(y);
    move(Math.trunc(x), Math.trunc(y), 0, event.buttons & 7);
  };
  const onWheel = (event: WheelEvent): void => {
    if (!own()) return;
    event.preventDefault();
    move(0, 0, Math.sign(event.deltaY), event.buttons & 7);
  };
  const onChange = (): void => {
    // No button may stay pressed in the guest.
    if (!own()) move(0, 0, 0, 0);
    captured(own());
  };
  document.addEventListener("mousemove", onMove);
  document.addEventListener("mousedown", onMove);
  document.addEventListener("mouseup", onMove);
  document.addEventListener("pointerlockchange", onChange);
  element.addEventListener("wheel", onWheel, { passive: false });
  return () => {
    document.removeEventListener("mousemove", onMove);
    document.removeEventListener("mousedown", onMove);
    document.removeEventListener("mouseup", onMove);
    document.removeEventListener("pointerlockchange", onChange);
    element.removeEventListener("wheel", onWheel);
  };
}
