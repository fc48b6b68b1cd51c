// The guest's consoles: serial lines, the screen, the debug port. Until a person chooses, the one that the guest uses is shown.

import { lazy, Suspense, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { downloadBlob } from "../download.ts";
import { useObservable, usePage } from "../hooks.ts";
import { layoutOf, typeText } from "../input/keyboard-layouts.ts";
import type { Tab } from "../widgets/Tabs.tsx";
import { Tabs } from "../widgets/Tabs.tsx";
import styles from "./Console.module.css";
import { ConsoleBar } from "./ConsoleBar.tsx";
import { type ConsoleHandle, type OnHandle, wholeText } from "./console-handle.ts";
import { FindBar } from "./FindBar.tsx";
import { HELD_KEYS } from "./key-row-keys.ts";
import { KeyRow } from "./KeyRow.tsx";
import { screenIsUsed } from "./screen-activity.ts";
import { useSpeaker } from "./use-speaker.ts";

const SerialTerminal = lazy(async () => ({ default: (await import("./SerialTerminal.tsx")).SerialTerminal }));
const ScreenView = lazy(async () => ({ default: (await import("./ScreenView.tsx")).ScreenView }));
const PasteDialog = lazy(async () => ({ default: (await import("./PasteDialog.tsx")).PasteDialog }));

const LOOK_MS = 250;
/** What was done stands in the bar for so long. */
const SAID_MS = 4000;
const REBOOT = ["ControlLeft", "AltLeft", "Delete"] as const;

interface Activity {
  readonly serial: boolean;
  readonly second: boolean;
  readonly debug: boolean;
  readonly screen: boolean;
}

const NONE: Activity = { serial: false, second: false, debug: false, screen: false };

/** Which consoles the guest has used so far. Bytes count as they come: who begins to type must not find another console a moment later. */
function useActivity(): Activity {
  const { session, frames } = usePage();
  const [activity, setActivity] = useState<Activity>(NONE);
  useEffect(() => {
    const note = (name: keyof Activity, used: boolean): void => setActivity((before) => (before[name] === used ? before : { ...before, [name]: used }));
    const streams = [["serial", session.serial[0]], ["second", session.serial[1]], ["debug", session.debugConsole]] as const;
    const detach = streams.flatMap(([name, stream]) => [stream.attach(() => note(name, true)), stream.onClear(() => note(name, false))]);
    let lookedMs = -Infinity;
    const remove = frames.add((nowMs) => {
      if (nowMs - lookedMs < LOOK_MS) return;
      lookedMs = nowMs;
      note("screen", screenIsUsed(session.screen.get()));
    });
    return () => {
      remove();
      for (const own of detach) own();
    };
  }, [session, frames]);
  return activity;
}

/** A line that goes by itself. */
function useSaid(): readonly [string, (text: string) => void] {
  const [said, setSaid] = useState("");
  useEffect(() => {
    if (said === "") return;
    const timer = setTimeout(() => setSaid(""), SAID_MS);
    return () => clearTimeout(timer);
  }, [said]);
  return [said, setSaid];
}

function consoleHasFocus(panel: HTMLElement | null): boolean {
  const { activeElement } = document;
  return activeElement !== null && (panel?.contains(activeElement) ?? false) && activeElement.closest("[role=tabpanel]") !== null;
}

export function ConsolePanel(): React.JSX.Element {
  const { session, settings } = usePage();
  const { screenReader, keyRow: wanted, keyboard } = useObservable(settings.state);
  const { machine, run } = useObservable(session.state);
  const activity = useActivity();
  const [chosen, setChosen] = useState<string | null>(null);
  const panel = useRef<HTMLDivElement>(null);
  // Another machine may use another console.
  useEffect(() => { if (!consoleHasFocus(panel.current)) setChosen(null); }, [machine?.title]);
  const handles = useRef(new Map<string, ConsoleHandle>());
  const [held, setHeld] = useState<ReadonlySet<string>>(new Set());
  const [finding, setFinding] = useState(false);
  const [paste, setPaste] = useState<string | null>(null);
  const [said, say] = useSaid();
  const speaker = useSpeaker();
  const fingers = useMemo(() => window.matchMedia?.("(pointer: coarse)").matches ?? false, []);
  const keyRow = wanted === "on" || (wanted === "auto" && fingers);

  const onHandle: OnHandle = useCallback((id, handle) => {
    if (handle) handles.current.set(id, handle);
    else handles.current.delete(id);
  }, []);
  const automatic = activity.serial ? "serial" : activity.screen ? "screen" : activity.debug ? "debug" : "serial";
  const shown = chosen ?? automatic;
  const current = (): ConsoleHandle | undefined => handles.current.get(shown);
  const kind = shown === "screen" ? "screen" : "serial";

  const hold = (label: string, down: boolean): void => {
    const key = HELD_KEYS.find((own) => own.label === label);
    if (key) current()?.hold(key.codes, down);
  };
  const letGo = (): void => {
    if (held.size === 0) return;
    for (const label of held) hold(label, false);
    setHeld(new Set());
  };
  /** Who has just left a console goes past it with the next Tab, not into it again. */
  const [left, setLeft] = useState(false);
  const release = (): void => {
    setLeft(true);
    panel.current?.querySelector<HTMLElement>('[role="tab"][aria-selected="true"]')?.focus();
  };

  const copy = async (): Promise<void> => {
    const handle = current(), terminal = handle?.terminal() ?? null;
    try {
      if (terminal) {
        const selected = terminal.getSelection(), text = selected || wholeText(terminal);
        await navigator.clipboard.writeText(text);
        say(`${selected ? "Selection" : "Whole console"} copied: ${text.length.toLocaleString("en-US")} characters.`);
        return;
      }
      const picture = await handle?.picture();
      if (!picture) return say("There is nothing to copy.");
      await navigator.clipboard.write([new ClipboardItem({ "image/png": picture })]);
      say("The picture was copied.");
    } catch {
      say("The browser does not allow to write to the clipboard.");
    }
  };
  /** At once if every character has a key, else after a question. */
  const give = (text: string): void => {
    if (text === "") return;
    if (kind === "screen" && typeText(text, layoutOf(keyboard)).missing.length > 0) return setPaste(text);
    current()?.type(text);
    say(`${text.length.toLocaleString("en-US")} characters ${kind === "screen" ? "are being typed" : "sent"}.`);
  };
  const askForText = async (): Promise<void> => setPaste(await navigator.clipboard?.readText?.().catch(() => "") ?? "");
  const screenshot = async (): Promise<void> => {
    const picture = await current()?.picture();
    if (!picture) return say("There is nothing to see.");
    downloadBlob(`${(machine?.title ?? "guest").replace(/[^\w.-]+/g, "-")}-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}.png`, picture);
    say("The screenshot was saved.");
  };

  /** Ctrl+Shift and a letter, as in other terminals: the guest does not see them. */
  const shortcut = (event: React.KeyboardEvent): void => {
    if (!event.ctrlKey || !event.shiftKey || event.altKey || !["KeyC", "KeyF", "KeyV"].includes(event.code)) return;
    event.stopPropagation();
    // Where there is a field to paste into, the browser does it.
    if (event.code === "KeyV" && kind === "serial") return;
    event.preventDefault();
    if (event.code === "KeyV") void navigator.clipboard.readText().then(give, () => setPaste(""));
    else if (event.code === "KeyC") void copy();
    else setFinding(true);
  };

  const serial = (id: string, port: 0 | 1, label: string): React.ReactNode => (
    <SerialTerminal
      id={id} skipped={left} stream={session.serial[port]} label={label} screenReader={screenReader} onInput={(bytes) => session.serialInput(port, bytes)} onRelease={release} onHandle={onHandle} onTyped={letGo}
    />
  );
  const tabs: Tab[] = [
    { id: "serial", label: "Serial", content: serial("serial", 0, "Serial console COM1"), keep: true },
    { id: "screen", label: "Screen", keep: true, content: <ScreenView id="screen" skipped={left} screenReader={screenReader} typing={keyRow && fingers} onRelease={release} onHandle={onHandle} onTyped={letGo} /> },
  ];
  if (activity.second) tabs.push({ id: "second", label: "COM2", content: serial("second", 1, "Serial console COM2"), keep: true });
  if (activity.debug) {
    tabs.push({
      id: "debug", label: "Debug port", keep: true,
      content: <SerialTerminal id="debug" skipped={left} stream={session.debugConsole} label="Debug console, port E9h" screenReader={screenReader} onInput={null} onRelease={release} onHandle={onHandle} onTyped={letGo} />,
    });
  }
  return (
    <div
      ref={panel} className={styles.panel} onKeyDownCapture={shortcut} onFocus={() => {
        // What a person types into must not be changed for another console while they type.
        if (!consoleHasFocus(panel.current)) return;
        setChosen(shown);
        setLeft(false);
      }}
      onBlur={(event) => {
        if (event.relatedTarget instanceof Node && !panel.current?.contains(event.relatedTarget)) setLeft(false);
      }}
      onPaste={(event) => {
        // The serial terminal takes its own; fields of the page are the person's.
        if (event.target instanceof HTMLInputElement || event.target instanceof HTMLTextAreaElement || kind === "serial") return;
        event.preventDefault();
        give(event.clipboardData.getData("text"));
      }}
    >
      <Suspense fallback={null}>
        <Tabs
          label="Consoles" tabs={tabs} active={shown} onSelect={(id) => { letGo(); setLeft(false); setChosen(id); }}
          actions={<ConsoleBar
            panel={panel} kind={kind} said={said} sound={speaker.on} onCopy={() => void copy()} onPaste={() => void askForText()} onFind={() => setFinding(!finding)} finding={finding}
            keyRow={keyRow} onKeyRow={() => settings.patch({ keyRow: keyRow ? "off" : "on" })}
            onScreenshot={() => void screenshot()} onSound={speaker.toggle}
          />}
          below={(
            <>
              {finding ? <FindBar key={shown} terminal={() => current()?.terminal() ?? null} onClose={() => { setFinding(false); current()?.focus(); }} /> : null}
              {keyRow ? (
                <KeyRow
                  kind={kind} held={held} onPress={(code) => { current()?.press(code); letGo(); }}
                  onHold={(label) => {
                    hold(label, !held.has(label));
                    setHeld(held.has(label) ? new Set([...held].filter((own) => own !== label)) : new Set([...held, label]));
                  }}
                  onReboot={() => session.typeKeys([...REBOOT.map((code) => [code, true] as const), ...REBOOT.toReversed().map((code) => [code, false] as const)])}
                />
              ) : null}
            </>
          )}
        />
        {paste === null ? null : <PasteDialog kind={kind} text={paste} onClose={() => setPaste(null)} onType={(text) => { setPaste(null); current()?.type(text); say(run?.kind === "running" ? "It is being typed." : "It is typed when the machine runs."); current()?.focus(); }} />}
      </Suspense>
    </div>
  );
}
