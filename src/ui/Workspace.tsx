// Below the top bar: the welcome page until there is something to show, then the panes of the preset.

import { lazy, Suspense } from "react";
import { useObservable, usePage } from "./hooks.ts";
import { Layout } from "./layout/Layout.tsx";
import { GuestList } from "./panels/GuestList.tsx";
import { KeptMachine } from "./panels/KeptMachine.tsx";
import { ReplayBar } from "./panels/ReplayBar.tsx";
import { RunBanner } from "./panels/RunBanner.tsx";
import { Welcome } from "./panels/Welcome.tsx";
import { PANES } from "./panes.ts";
import styles from "./Workspace.module.css";

const LabCards = lazy(async () => ({ default: (await import("./lab/LabCards.tsx")).LabCards }));

export function Workspace(): React.JSX.Element {
  const { session, settings, labs } = usePage();
  const { phase, machine, busy } = useObservable(session.state);
  const { file } = useObservable(session.traps.state);
  const { view } = useObservable(settings.state);
  const { lab } = useObservable(labs.state);
  // Without a machine an opened log has its own panes, and a lab its own.
  const live = machine !== null || phase !== "empty";
  const hidden = PANES.filter(({ id, log }) => (id === "lab" ? lab === null : !live && (file === null || !log))).map(({ id }) => id);
  if (view === "compare") return <main className={styles.panes}><Layout view={view} /></main>;
  if (!live && file === null && lab === null) return <main className={styles.welcome}><Welcome beside={<KeptMachine />} guests={<><GuestList /><h3>Labs: a question, runs that answer it</h3><Suspense fallback={null}><LabCards /></Suspense></>} busy={busy} /></main>;
  return (
    <main className={styles.panes}>
      <ReplayBar />
      <RunBanner />
      <Layout view={live ? view : "learn"} hidden={hidden} />
    </main>
  );
}
