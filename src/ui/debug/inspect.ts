// What a pane shows of the machine: asked again at each stop and edit, and a few times a second while the machine runs.

import { useEffect, useRef, useState } from "react";
import type { DebugAnswers, DebugRequest } from "../../protocol/debug.ts";
import { useObservable, useSession } from "../hooks.ts";

const RUNNING_MS = 300;

/** The last answer; null before the first one. `request` null: nothing is asked. */
export function useInspect<K extends DebugRequest["kind"]>(request: Extract<DebugRequest, { kind: K }> | null): DebugAnswers[K] | null {
  const session = useSession();
  const { revision } = useObservable(session.debug.state);
  const { run, phase } = useObservable(session.state);
  const [answer, setAnswer] = useState<DebugAnswers[K] | null>(null);
  const running = run?.kind === "running", live = phase === "live";
  const key = JSON.stringify(request);
  const latest = useRef(request);
  latest.current = request;
  // A stop, an edit or another request is a reason to ask again.
  useEffect(() => {
    let gone = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = async (): Promise<void> => {
      const wanted = latest.current;
      if (!wanted || !live) return;
      const found = await session.debug.inspect<K>(wanted);
      if (gone) return;
      if (found) setAnswer(found);
      if (running) timer = setTimeout(() => void ask(), RUNNING_MS);
    };
    void ask();
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [session, revision, running, live, key]);
  return answer;
}

/** The number of whole rows of this height that fit into the element. */
export function useRows(ref: React.RefObject<HTMLElement | null>, rowPixels: number, least = 4): number {
  const [rows, setRows] = useState(16);
  useEffect(() => {
    const element = ref.current;
    if (!element) return;
    const measure = (): void => setRows(Math.max(least, Math.floor(element.clientHeight / rowPixels)));
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, [ref, rowPixels, least]);
  return rows;
}
