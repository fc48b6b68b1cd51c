// The panes: console over registers on the left, traps on the right; one column with tabs where the window is narrow.

import { useEffect, useState } from "react";
import { useObservable, usePage } from "./hooks.ts";
import { ConsolePanel } from "./panels/ConsolePanel.tsx";
import { ProcessorPanel } from "./panels/ProcessorPanel.tsx";
import { RunBanner } from "./panels/RunBanner.tsx";
import { TrapPanel } from "./panels/TrapPanel.tsx";
import { Welcome } from "./panels/Welcome.tsx";
import { Splitter } from "./widgets/Splitter.tsx";
import { Tabs } from "./widgets/Tabs.tsx";
import styles from "./Workspace.module.css";

const NARROW = "(max-width: 1023px)";

function useNarrow(): boolean {
  const [narrow, setNarrow] = useState(() => window.matchMedia(NARROW).matches);
  useEffect(() => {
    const query = window.matchMedia(NARROW);
    const change = (): void => setNarrow(query.matches);
    query.addEventListener("change", change);
    return () => query.removeEventListener("change", change);
  }, []);
  return narrow;
}

export function Workspace(): React.JSX.Element {
  const { session, settings } = usePage();
  const { phase, machine } = useObservable(session.state);
  const { file } = useObservable(session.traps.state);
  const { split, consoleHeight } = useObservable(settings.state);
  const narrow = useNarrow();
  const [tab, setTab] = useState("console");
  if (phase === "empty" && !machine && file === null) return <main className={styles.welcome}><Welcome /></main>;
  if (narrow) {
    return (
      <main className={styles.narrow}>
        <RunBanner />
        <Tabs
          label="Views" active={tab} onSelect={setTab} tabs={[
            { id: "console", label: "Console", content: <ConsolePanel />, keep: true },
            { id: "traps", label: "Traps", content: <TrapPanel /> },
            { id: "registers", label: "Registers", content: <ProcessorPanel /> },
          ]}
        />
      </main>
    );
  }
  return (
    <main className={styles.wide}>
      <RunBanner />
      <div className={styles.columns} style={{ gridTemplateColumns: `${split}% 5px minmax(0, 1fr)` }}>
        <div className={styles.left} style={{ gridTemplateRows: `${consoleHeight}% 5px minmax(0, 1fr)` }}>
          <ConsolePanel />
          <Splitter label="Height of the console" orientation="horizontal" value={consoleHeight} min={15} max={85} onChange={(percent) => settings.patch({ consoleHeight: percent })} />
          <ProcessorPanel />
        </div>
        <Splitter label="Width of the left side" orientation="vertical" value={split} min={25} max={75} onChange={(percent) => settings.patch({ split: percent })} />
        <TrapPanel />
      </div>
    </main>
  );
}
