// One animation-frame loop for everything that polls shared memory. It stands still while the tab is hidden.

export type FrameListener = (nowMs: number) => void;

export class Frames {
  private readonly listeners = new Set<FrameListener>();
  private handle = 0;

  add(listener: FrameListener): () => void {
    this.listeners.add(listener);
    if (this.handle === 0) this.handle = requestAnimationFrame(this.frame);
    return () => this.listeners.delete(listener);
  }

  private readonly frame = (nowMs: number): void => {
    this.tick(nowMs);
    this.handle = this.listeners.size > 0 ? requestAnimationFrame(this.frame) : 0;
  };

  /** One frame; tests call it themselves. */
  tick(nowMs: number): void {
    for (const listener of [...this.listeners]) listener(nowMs);
  }
}
