import { useCallback, useEffect, useRef, useState } from "react";

export interface Player {
  /** Where it plays, in seconds. */
  at: number;
  playing: boolean;
  /** Whether the browser says that it cannot play this. */
  broken: boolean;
  play: (from: number) => void;
  seek: (to: number) => void;
  toggle: () => void;
}

/** Plays the file of an address. */
export function usePlayer(url: string): Player {
  const audio = useRef<HTMLAudioElement | null>(null);
  const [at, setAt] = useState(0);
  const [playing, setPlaying] = useState(false);
  const [broken, setBroken] = useState(false);
  useEffect(() => {
    if (url === "") return;
    const element = (audio.current = new Audio(url));
    let frame = 0;
    const follow = () => {
      setAt(element.currentTime);
      frame = requestAnimationFrame(follow);
    };
    const stop = () => {
      cancelAnimationFrame(frame);
      setPlaying(false);
      setAt(element.currentTime);
    };
    element.onplay = () => {
      cancelAnimationFrame(frame);
      setPlaying(true);
      follow();
    };
    element.onpause = stop;
    element.onended = stop;
    element.onerror = () => setBroken(true);
    setAt(0);
    setBroken(false);
    return () => {
      stop();
      element.onplay = element.onpause = element.onended = element.onerror = null;
      element.pause();
      element.removeAttribute("src");
      audio.current = null;
    };
  }, [url]);
  const seek = useCallback((to: number) => {
    if (audio.current) audio.current.currentTime = to;
    setAt(to);
  }, []);
  const start = useCallback(() => void audio.current?.play().catch(() => setPlaying(false)), []);
  const play = useCallback(
    (from: number) => {
      seek(from);
      start();
    },
    [seek, start],
  );
  const toggle = useCallback(() => (audio.current?.paused === false ? audio.current.pause() : start()), [start]);
  return { at, playing, broken, play, seek, toggle };
}
