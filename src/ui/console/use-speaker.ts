// The sound of the guest's loudspeaker: off until a person asks for it.

import { useEffect, useState } from "react";
import { usePage } from "../hooks.ts";
import { openAudio, SpeakerPlayer } from "./speaker.ts";

export function useSpeaker(): { readonly on: boolean; readonly toggle: () => void } {
  const { session, frames } = usePage();
  const [on, setOn] = useState(false);
  useEffect(() => {
    if (!on) return;
    const place = openAudio();
    if (!place) return session.notice("This browser has no Web Audio.");
    const player = new SpeakerPlayer(place);
    const remove = frames.add(() => {
      const sound = session.sound.get();
      if (sound) player.pump(sound, session.state.get().run?.kind === "running");
    });
    return () => {
      remove();
      place.close();
    };
  }, [on, session, frames]);
  return { on, toggle: () => setOn(!on) };
}
