// Below the top bar: the welcome page until there is something to show, then the panes of the preset.

import { useObservable, usePage } from "./hooks.ts";
import { Layout } from "./layout/Layout.tsx";
import { GuestList } from "./panels/GuestList.tsx";
import { RunBanner } from "./panels/RunBanner.tsx";
import { Welcome } from "./panels/Welcome.tsx";
import { PANES } from "./panes.ts";
import styles from "./Workspace.module.css";

export function Workspace(): React.JSX.Element {
  const { session, settings } = usePage();
  const { phase, machine, busy } = useObservable(session.state);
  const { file } = useObservable(session.traps.state);
  const { view } = useObservable(settings.state);
  if (view === "compare") return <main className={styles.panes}><Layout view={view} /></main>;
  if (phase === "empty" && !machine && file === null) return <main className={styles.welcome}><Welcome guests={<GuestList />} busy={busy} /></main>;
  return (
    <main className={styles.panes}>
      <RunBanner />
      <Layout view={machine || phase !== "empty" ? view : "learn"} hidden={machine || phase !== "empty" ? [] : PANES.filter(({ log }) => !log).map(({ id }) => id)} />
    </main>
  );
}
