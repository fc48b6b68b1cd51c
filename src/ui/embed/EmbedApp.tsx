// A guest in a frame: waits for a press unless the address says autorun=1, then shows console, traps, or both beside each other.

import { Suspense, useEffect, useState } from "react";
import { isTheme } from "../../store/settings.ts";
import type { Page } from "../../store/page.ts";
import { PageContext, useObservable, usePage } from "../hooks.ts";
import { Notices } from "../panels/Notices.tsx";
import { ProblemDialog } from "../panels/ProblemDialog.tsx";
import { PANES } from "../panes.ts";
import { Tabs } from "../widgets/Tabs.tsx";
import styles from "./Embed.module.css";

const SHOWN = ["console", "traps"] as const;
/** Pixels from which there is room for two. */
const WIDE = 860;

export function EmbedApp({ page, search }: { readonly page: Page; readonly search: string }): React.JSX.Element {
  const query = new URLSearchParams(search);
  const theme = query.get("theme") ?? "";
  const [started, setStarted] = useState(page.parameters.autorun);
  useEffect(() => {
    if (isTheme(theme) && theme !== "system") document.documentElement.dataset.theme = theme;
  }, [theme]);
  useEffect(() => {
    if (started) void page.start();
  }, [page, started]);
  useEffect(() => page.onWanted(() => setStarted(true)), [page]);
  const panes = SHOWN.filter((id) => (query.get("panes") ?? "console,traps").split(",").includes(id));
  return (
    <PageContext value={page}>
      <div className={styles.app}>
        <Bar search={search} started={started} />
        {started ? <Panes ids={panes.length > 0 ? panes : SHOWN} /> : (
          <main className={styles.poster}>
            <button type="button" className="primary" onClick={() => setStarted(true)}>Run {page.parameters.guest ?? "the guest"}</button>
            <p className="muted">A whole PC starts inside this frame.</p>
          </main>
        )}
        <Notices />
        <ProblemDialog />
      </div>
    </PageContext>
  );
}

function Bar({ search, started }: { readonly search: string; readonly started: boolean }): React.JSX.Element {
  const { session } = usePage();
  const { run, machine, options, phase } = useObservable(session.state);
  const live = phase === "live" && run !== null;
  return (
    <header className={styles.bar}>
      <strong className={styles.title}>{machine?.title ?? "trapscope"}</strong>
      <span className="muted">{machine ? options.technique : ""}</span>
      <span className={styles.space} />
      {started ? (
        <>
          <button type="button" disabled={!live || run.kind === "ended"} onClick={() => session.toggleRun()}>{run?.kind === "running" ? "Pause" : "Run"}</button>
          <button type="button" disabled={!live} onClick={() => session.reset()}>Reset</button>
        </>
      ) : null}
      <a href={`./${search}`} target="_blank" rel="noopener">Open in trapscope</a>
    </header>
  );
}

function Panes({ ids }: { readonly ids: readonly string[] }): React.JSX.Element {
  const [wide, setWide] = useState(() => window.innerWidth >= WIDE);
  const [active, setActive] = useState(ids[0]!);
  useEffect(() => {
    const look = (): void => setWide(window.innerWidth >= WIDE);
    window.addEventListener("resize", look);
    return () => window.removeEventListener("resize", look);
  }, []);
  const panes = PANES.filter(({ id }) => ids.includes(id));
  const body = (pane: (typeof panes)[number]): React.JSX.Element => <Suspense fallback={null}><pane.component /></Suspense>;
  if (panes.length === 1) return <main className={styles.panes}>{body(panes[0]!)}</main>;
  if (wide) return <main className={styles.beside}>{panes.map((pane) => <div key={pane.id}>{body(pane)}</div>)}</main>;
  return (
    <main className={styles.panes}>
      <Tabs label="Panes" active={active} onSelect={setActive} tabs={panes.map((pane) => ({ id: pane.id, label: pane.title, content: body(pane), keep: true }))} />
    </main>
  );
}
