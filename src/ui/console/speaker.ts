// The guest's loudspeaker through Web Audio: tones as a square wave, and the level of the cone where a program moves it by itself.
// What the guest did is played a little later, each change at its own time.

import type { SoundChange, SoundReader } from "../../protocol/sound-view.ts";

/** From the guest to the ear: longer than a slice of the machine and a frame of the page. */
const DELAY_S = 0.06;
/** Guest time that differs by more goes its own way from now on. */
const DRIFT_S = 0.25;
/** A square wave is loud. */
const VOLUME = 0.05;

/** What is used of Web Audio. */
export interface AudioPlace {
  readonly currentTime: number;
  /** Sets tone and level of the cone from `at` on. */
  schedule(at: number, change: { readonly hz: number; readonly high: boolean }): void;
  silence(): void;
}

/** Brings guest time and audio time together. */
export class SpeakerPlayer {
  private readonly audio: AudioPlace;
  private next = -1;
  private offset = Number.NaN;
  private last: SoundChange | null = null;

  constructor(audio: AudioPlace) {
    this.audio = audio;
  }

  /** One frame: hands on what is new. */
  pump(reader: SoundReader, running: boolean): void {
    const { total } = reader;
    // What sounded before somebody listened is gone; what sounds still, sounds.
    if (this.next < 0 || this.next > total) {
      this.next = Math.max(0, total - 1);
      this.offset = Number.NaN;
    }
    if (!running) {
      if (this.last !== null) this.audio.silence();
      this.last = null;
      return;
    }
    if (this.last === null && total > 0 && this.next === total) this.next = total - 1; // it goes on after a pause
    for (; this.next < total; this.next++) {
      const change = reader.read(this.next);
      if (!change) continue; // overwritten
      this.audio.schedule(this.timeOf(change.timeNs), change);
      this.last = change;
    }
  }

  private timeOf(timeNs: number): number {
    const soonest = this.audio.currentTime, wanted = timeNs / 1e9 + this.offset;
    if (wanted >= soonest && wanted <= soonest + DELAY_S + DRIFT_S) return wanted;
    this.offset = soonest + DELAY_S - timeNs / 1e9;
    return soonest + DELAY_S;
  }
}

/**
 * The cone as the loudspeaker lets it be heard: each audio sample is the level on average over its time. So pulses that are shorter
 * than a sample, by whose width programs play sound, are heard as what they stand for.
 */
export class ConeLevel {
  private readonly rate: number;
  private readonly set: (value: number, at: number) => void;
  private frame = -1;
  /** Of this sample: what has passed of it, weighed. */
  private area = 0;
  private from = 0;
  private level = 0;

  constructor(rate: number, set: (value: number, at: number) => void) {
    this.rate = rate;
    this.set = set;
  }

  /** From `at` seconds on. */
  to(level: number, at: number): void {
    const position = at * this.rate, frame = Math.floor(position);
    if (frame !== this.frame) [this.frame, this.area, this.from] = [frame, 0, frame];
    this.area += this.level * Math.max(0, position - this.from);
    this.from = Math.max(position, this.from);
    this.level = level;
    // What is set later for the same time wins: the next change of this sample corrects it.
    this.set(this.area + level * (frame + 1 - this.from), frame / this.rate);
    this.set(level, (frame + 1) / this.rate);
  }
}

/** Null where the browser has no Web Audio. */
export function openAudio(): (AudioPlace & { close(): void }) | null {
  if (!("AudioContext" in window)) return null;
  const context = new AudioContext();
  const volume = new GainNode(context, { gain: VOLUME });
  const tone = new OscillatorNode(context, { type: "square" }), toneOn = new GainNode(context, { gain: 0 });
  const cone = new ConstantSourceNode(context, { offset: 0 });
  tone.connect(toneOn).connect(volume);
  cone.connect(volume);
  volume.connect(context.destination);
  tone.start();
  cone.start();
  const level = new ConeLevel(context.sampleRate, (value, at) => void cone.offset.setValueAtTime(value, Math.max(at, 0)));
  return {
    get currentTime() { return context.currentTime; },
    schedule(at, { hz, high }) {
      // Above what can be heard a tone is a level in the middle.
      const audible = hz > 0 && hz < context.sampleRate / 2;
      if (audible) tone.frequency.setValueAtTime(hz, at);
      toneOn.gain.setValueAtTime(audible ? 1 : 0, at);
      level.to(high ? 1 : 0, at);
    },
    silence() {
      for (const parameter of [toneOn.gain, cone.offset]) {
        parameter.cancelScheduledValues(0);
        parameter.setValueAtTime(0, context.currentTime);
      }
    },
    close: () => void context.close(),
  };
}
