// The guest's screen, with its keyboard and its mouse.

import { useEffect, useRef, useState } from "react";
import { useObservable, usePage } from "../hooks.ts";
import { GUEST_KEYS } from "../input/global-keys.ts";
import { GuestKeyboard } from "../input/guest-keyboard.ts";
import { layoutOf, typeText } from "../input/keyboard-layouts.ts";
import styles from "./Console.module.css";
import type { OnHandle } from "./console-handle.ts";
import { listenToMouse } from "./guest-mouse.ts";
import { pictureOfPixels } from "./pictures.ts";
import { type ScreenMode, ScreenPainter } from "./screen-painter.ts";
import { ScreenText } from "./ScreenText.tsx";

export function ScreenView({ id, skipped, screenReader, typing, onRelease, onHandle, onTyped }: {
  readonly id: string;
  /** Tab passes by. */
  readonly skipped: boolean; readonly screenReader: boolean;
  /** Shows a field that a phone's keyboard can write into. */
  readonly typing: boolean; readonly onRelease: () => void; readonly onHandle: OnHandle; readonly onTyped: () => void;
}): React.JSX.Element {
  const { session, frames, settings } = usePage();
  const reader = useObservable(session.screen);
  const [mode, setMode] = useState<ScreenMode>("off");
  const [captured, setCaptured] = useState(false);
  const host = useRef<HTMLDivElement>(null);
  const text = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const painter = useRef<ScreenPainter | null>(null);
  const keys = useRef<GuestKeyboard | null>(null);
  const latest = useRef({ onRelease, onHandle, onTyped });
  latest.current = { onRelease, onHandle, onTyped };

  useEffect(() => {
    if (!reader || !text.current || !canvas.current) return;
    const view = new ScreenPainter(reader, text.current, canvas.current, setMode);
    painter.current = view;
    const remove = frames.add(() => view.tick());
    return () => {
      remove();
      painter.current = null;
      view.dispose();
    };
  }, [reader, frames]);

  useEffect(() => {
    const element = host.current;
    if (!element) return;
    latest.current.onHandle(id, {
      kind: "screen",
      terminal: () => (session.screen.get()?.picture().mode === "text" ? (painter.current?.terminal ?? null) : null),
      focus: () => element.focus(),
      type(typed) {
        // The keys of the shortcut that pasted it are still down.
        keys.current?.releaseAll();
        session.typeKeys(typeText(typed, layoutOf(settings.state.get().keyboard)).keys);
      },
      press: (code) => session.typeKeys([[code, true], [code, false]]),
      hold: (codes, held) => session.typeKeys((held ? codes : codes.toReversed()).map((code) => [code, held] as const)),
      picture: async () => pictureOfPixels(await session.takePicture()),
    });
    return () => latest.current.onHandle(id, null);
  }, [id, session, settings]);

  useEffect(() => {
    const element = host.current;
    if (!element) return;
    const keyboard = new GuestKeyboard((code, down) => {
      session.key(code, down);
      if (!down && !/^(Shift|Control|Alt|Meta)/.test(code)) latest.current.onTyped();
    }, () => {
      document.exitPointerLock();
      latest.current.onRelease();
    });
    keys.current = keyboard;
    const onKey = (event: KeyboardEvent): void => keyboard.handle(event);
    const onBlur = (): void => keyboard.releaseAll();
    element.addEventListener("keydown", onKey, true);
    element.addEventListener("keyup", onKey, true);
    element.addEventListener("focusout", onBlur);
    const deaf = listenToMouse(element, (dx, dy, dz, buttons) => session.mouse(dx, dy, dz, buttons), setCaptured);
    return () => {
      element.removeEventListener("keydown", onKey, true);
      element.removeEventListener("keyup", onKey, true);
      element.removeEventListener("focusout", onBlur);
      keys.current = null;
      deaf();
    };
  }, [session]);

  return (
    <div className={styles.screenColumn}>
      <div
        ref={host} className={styles.screen} tabIndex={skipped ? -1 : 0} role="application" aria-label="The guest's screen" {...{ [GUEST_KEYS]: "" }}
        onMouseDown={(event) => { if (!(event.target instanceof HTMLTextAreaElement)) host.current?.focus(); }}
      >
        <div ref={text} className={styles.textScreen} hidden={mode !== "text"} />
        <canvas
          ref={canvas} className={styles.canvas} hidden={mode !== "graphics"} aria-label="The guest's graphics" title={captured ? undefined : "A click gives the mouse to the guest"}
          onClick={() => { if (!captured) void host.current?.requestPointerLock(); }}
        />
        {mode === "off" ? <p className={styles.off}>The screen is off.</p> : null}
        {captured ? <p className={styles.captured} role="status">The guest has the mouse. <kbd>Ctrl+Alt</kbd> or <kbd>Esc</kbd> takes it back.</p> : null}
        {typing ? <TypingField onText={(typed) => { session.typeKeys(typeText(typed, layoutOf(settings.state.get().keyboard)).keys); onTyped(); }} onKey={(code) => { session.typeKeys([[code, true], [code, false]]); onTyped(); }} /> : null}
      </div>
      {screenReader ? <ScreenText read={() => painter.current?.text() ?? null} /> : null}
    </div>
  );
}

/** A phone opens its keyboard for a field only, and says what was written instead of which keys were pressed. */
function TypingField({ onText, onKey }: { readonly onText: (text: string) => void; readonly onKey: (code: string) => void }): React.JSX.Element {
  return (
    <textarea
      className={styles.typing} aria-label="Write for the guest" placeholder="Write here" rows={1} autoCapitalize="off" autoComplete="off" autoCorrect="off" spellCheck={false}
      onInput={(event) => {
        const field = event.currentTarget, { inputType, isComposing } = event.nativeEvent as InputEvent;
        if (isComposing) return; // comes whole at its end
        if (inputType === "deleteContentBackward") onKey("Backspace");
        else if (field.value !== "") onText(field.value);
        field.value = "";
      }}
    />
  );
}
