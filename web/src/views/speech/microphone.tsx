import { useEffect, useRef, useState } from "react";
import { faultText } from "../../api/client";
import { notify } from "../../state/store";
import { texts } from "../../texts";
import { clock } from "./draw";
import { openRecording } from "./recording";
import { decode, writeWav } from "./sound";

const t = texts.speech;

/** Records from the microphone until it is pressed again; what was said is a recording like any other. */
export function Microphone() {
  const [seconds, setSeconds] = useState<number | null>(null);
  const recorder = useRef<MediaRecorder | null>(null);
  const stop = () => {
    recorder.current?.stream.getTracks().forEach((track) => track.stop());
    if (recorder.current?.state === "recording") recorder.current.stop();
  };
  useEffect(() => {
    return () => {
      if (recorder.current) recorder.current.onstop = null; // the view is left: nobody waits for it
      stop();
    };
  }, []);
  useEffect(() => {
    if (seconds === null) return;
    const timer = setTimeout(() => setSeconds(seconds + 1), 1000);
    return () => clearTimeout(timer);
  }, [seconds]);

  const start = async () => {
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
      const made = (recorder.current = new MediaRecorder(stream));
      const pieces: Blob[] = [];
      made.ondataavailable = ({ data }) => pieces.push(data);
      made.onstop = () => {
        setSeconds(null);
        void keep(new Blob(pieces));
      };
      made.start();
      setSeconds(0);
    } catch (fault) {
      notify("error", t.noMicrophone(faultText(fault)));
    }
  };
  return (
    <button aria-pressed={seconds !== null} onClick={() => (seconds === null ? void start() : stop())}>
      <span className={seconds === null ? "record-dot" : "record-dot on"} aria-hidden="true" />
      {seconds === null ? t.record : t.stopRecording(clock(seconds, 0))}
    </button>
  );
}

/** As a WAV file: what browsers record has no length and is searched with difficulty. */
async function keep(recorded: Blob): Promise<void> {
  try {
    const { samples } = await decode(recorded);
    openRecording(new File([writeWav(samples)], `${t.microphone}.wav`, { type: "audio/wav" }));
  } catch (fault) {
    notify("error", t.noMicrophone(faultText(fault)));
  }
}
