// Guests, files, run control, technique, speed.

import { useRef } from "react";
import { useObservable, usePage } from "../hooks.ts";
import { Menu } from "../widgets/Menu.tsx";
import { Brand } from "./Brand.tsx";
import { DriveMenu } from "./DriveMenu.tsx";
import { GuestList } from "./GuestList.tsx";
import { HelpButton } from "./HelpButton.tsx";
import { Meter } from "./Meter.tsx";
import { SettingsMenu } from "./SettingsMenu.tsx";
import { ShareMenu } from "./ShareMenu.tsx";
import { TechniqueMenu } from "./TechniqueMenu.tsx";
import { ViewSwitch } from "./ViewSwitch.tsx";
import styles from "./TopBar.module.css";

export function TopBar(): React.JSX.Element {
  const { session } = usePage();
  const { run, phase } = useObservable(session.state);
  const file = useRef<HTMLInputElement>(null);
  const live = phase === "live" && run !== null;
  const running = live && run.kind === "running";
  const paused = live && run.kind === "paused";
  return (
    <header className={styles.bar}>
      <Brand />
      <Menu label="Guests" title="Bundled guests">{(close) => <GuestList onChosen={close} compact />}</Menu>
      <button type="button" onClick={() => file.current?.click()} title="Open disk images, kernels, a recording or an exported log; or drop them anywhere on the page">Open…</button>
      <input
        ref={file} type="file" multiple className="hidden" tabIndex={-1} aria-label="Open files" onChange={(event) => {
          void session.offer([...(event.target.files ?? [])].map((own) => ({ name: own.name, data: own })), null);
          event.target.value = "";
        }}
      />
      <DriveMenu />
      <span className={styles.rule} />
      <div className={styles.group} role="group" aria-label="Run control">
        <button type="button" className={paused ? "primary" : undefined} disabled={!running && !paused} onClick={() => session.toggleRun()} title="Run or pause (F8)" aria-label={running ? "Pause" : "Run"}>
          <Icon path={running ? "M5 3h3v10H5zM9 3h3v10H9z" : "M5 3l8 5-8 5z"} />
          <span className={styles.word}>{running ? "Pause" : "Run"}</span>
        </button>
        <button type="button" disabled={!paused} onClick={() => session.step()} title="One instruction (F11)" aria-label="Step">
          <Icon path="M3 3l6 5-6 5zM11 3h2v10h-2z" /><span className={styles.label}>Step</span>
        </button>
        <button type="button" disabled={!paused} onClick={() => session.stepToNextTrap()} title="Run to the next trap or leak (Shift+F10)" aria-label="Next trap">
          <Icon path="M2 3l5 5-5 5zM7 3l5 5-5 5zM12.5 3H14v10h-1.5z" /><span className={styles.label}>Next trap</span>
        </button>
        <button type="button" disabled={!live} onClick={() => session.reset()} title="Reset the machine" aria-label="Reset">
          <Icon path="M8 3a5 5 0 1 0 5 5h-1.6A3.4 3.4 0 1 1 8 4.6V7l4-3-4-3z" /><span className={styles.label}>Reset</span>
        </button>
      </div>
      <TechniqueMenu />
      <span className={styles.space} />
      <ViewSwitch />
      <Meter />
      <ShareMenu />
      <SettingsMenu />
      <HelpButton />
    </header>
  );
}

function Icon({ path }: { readonly path: string }): React.JSX.Element {
  return <svg width="14" height="14" viewBox="0 0 16 16" aria-hidden="true"><path d={path} fill="currentColor" /></svg>;
}
