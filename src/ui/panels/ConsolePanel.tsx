// The guest's consoles: serial lines, the screen, the debug port. Until a person chooses, the one that the guest uses is shown.

import { lazy, Suspense, useEffect, useRef, useState } from "react";
import { screenIsUsed } from "../screen-activity.ts";
import { useObservable, usePage } from "../hooks.ts";
import type { Tab } from "../widgets/Tabs.tsx";
import { Tabs } from "../widgets/Tabs.tsx";
import styles from "./ConsolePanel.module.css";

const SerialTerminal = lazy(async () => ({ default: (await import("./SerialTerminal.tsx")).SerialTerminal }));
const ScreenView = lazy(async () => ({ default: (await import("./ScreenView.tsx")).ScreenView }));

const LOOK_MS = 250;

interface Activity {
  readonly serial: boolean;
  readonly second: boolean;
  readonly debug: boolean;
  readonly screen: boolean;
}

/** Which consoles the guest has used so far. */
function useActivity(): Activity {
  const { session, frames } = usePage();
  const [activity, setActivity] = useState<Activity>({ serial: false, second: false, debug: false, screen: false });
  useEffect(() => {
    let lookedMs = -Infinity;
    return frames.add((nowMs) => {
      if (nowMs - lookedMs < LOOK_MS) return;
      lookedMs = nowMs;
      const now: Activity = {
        serial: session.serial[0].total > 0, second: session.serial[1].total > 0, debug: session.debugConsole.total > 0, screen: screenIsUsed(session.screen.get()),
      };
      setActivity((before) => (before.serial === now.serial && before.second === now.second && before.debug === now.debug && before.screen === now.screen ? before : now));
    });
  }, [session, frames]);
  return activity;
}

export function ConsolePanel(): React.JSX.Element {
  const { session, settings } = usePage();
  const { screenReader } = useObservable(settings.state);
  const { machine } = useObservable(session.state);
  const activity = useActivity();
  const [chosen, setChosen] = useState<string | null>(null);
  useEffect(() => setChosen(null), [machine?.title]);
  const panel = useRef<HTMLDivElement>(null);
  const release = (): void => panel.current?.querySelector<HTMLElement>('[role="tab"][aria-selected="true"]')?.focus();
  const serial = (port: 0 | 1, label: string): React.ReactNode => (
    <SerialTerminal stream={session.serial[port]} label={label} screenReader={screenReader} onInput={(bytes) => session.serialInput(port, bytes)} onRelease={release} />
  );
  const tabs: Tab[] = [
    { id: "serial", label: "Serial", content: serial(0, "Serial console COM1"), keep: true },
    { id: "screen", label: "Screen", content: <ScreenView onRelease={release} />, keep: true },
  ];
  if (activity.second) tabs.push({ id: "second", label: "COM2", content: serial(1, "Serial console COM2"), keep: true });
  if (activity.debug) {
    tabs.push({
      id: "debug", label: "Debug port", keep: true,
      content: <SerialTerminal stream={session.debugConsole} label="Debug console, port E9h" screenReader={screenReader} onInput={null} onRelease={release} />,
    });
  }
  const automatic = activity.serial ? "serial" : activity.screen ? "screen" : activity.debug ? "debug" : "serial";
  return (
    <div ref={panel} className={styles.panel}>
      <Suspense fallback={null}><Tabs
        label="Consoles" tabs={tabs} active={chosen ?? automatic} onSelect={setChosen}
        actions={<span className={styles.hint}><kbd>Ctrl+Alt</kbd> gives the keyboard back</span>}
      /></Suspense>
    </div>
  );
}
