// The page: top bar, the guest on the left, its traps on the right, status below; and what lies over them.

import { lazy, Suspense, useEffect } from "react";
import type { Page } from "../store/page.ts";
import styles from "./App.module.css";
import { downloadFile } from "./download.ts";
import { PageContext, useObservable, usePage } from "./hooks.ts";
import { useGlobalKeys } from "./input/global-keys.ts";
import { Workspace } from "./Workspace.tsx";
import { DropZone } from "./panels/DropZone.tsx";
import { DropDialog } from "./panels/DropDialog.tsx";
import { FilesDialog } from "./panels/FilesDialog.tsx";
import { Notices } from "./panels/Notices.tsx";
import { ProblemDialog } from "./panels/ProblemDialog.tsx";
import { StatusBar } from "./panels/StatusBar.tsx";
import { StorageDialogs } from "./panels/StorageDialogs.tsx";
import { TopBar } from "./panels/TopBar.tsx";
import { CompatibilityBar } from "./panels/CompatibilityBar.tsx";

export function App({ page }: { readonly page: Page }): React.JSX.Element {
  const { theme } = useObservable(page.settings.state);
  useEffect(() => {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
  }, [theme]);
  useEffect(() => {
    let leaving = false;
    const live = (): boolean => page.session.state.get().phase === "live";
    // Of a page that goes away the first, of a tab that is only left the second alone.
    const leave = (): void => {
      leaving = true;
      if (live()) page.session.debug.autosaveNow();
    };
    const come = (): void => { leaving = false; };
    const hide = (): void => {
      if (document.visibilityState === "hidden" && !leaving && live()) page.session.debug.autosave();
    };
    window.addEventListener("pagehide", leave);
    window.addEventListener("pageshow", come);
    document.addEventListener("visibilitychange", hide);
    return () => {
      window.removeEventListener("pagehide", leave);
      window.removeEventListener("pageshow", come);
      document.removeEventListener("visibilitychange", hide);
    };
  }, [page]);
  useEffect(() => {
    page.session.saveFile = downloadFile;
  }, [page]);
  return (
    <PageContext value={page}>
      <Application />
    </PageContext>
  );
}

const SelfCheck = lazy(async () => ({ default: (await import("./check/SelfCheck.tsx")).SelfCheck }));

function Application(): React.JSX.Element {
  useGlobalKeys();
  const { checking } = usePage();
  const check = useObservable(checking);
  return (
    <DropZone className={styles.app}>
      <div><TopBar /><CompatibilityBar /></div>
      <Workspace />
      <StatusBar />
      <Notices />
      <DropDialog />
      <FilesDialog />
      <StorageDialogs />
      <ProblemDialog />
      {check ? <Suspense fallback={null}><SelfCheck /></Suspense> : null}
    </DropZone>
  );
}
