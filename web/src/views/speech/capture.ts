// The worklet is a file of its own, since the content security policy allows no others.
import worklet from "./capture.worklet.ts?worker&url";
import { RATE } from "./sound";

/** Hands over what the microphone hears, as it is, in blocks in mono at RATE, until the returned function is called. */
export async function capture(hand: (samples: Float32Array) => void): Promise<() => void> {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
  const context = new AudioContext({ sampleRate: RATE });
  const stop = () => {
    for (const track of stream.getTracks()) track.stop();
    void context.close();
  };
  try {
    await context.audioWorklet.addModule(worklet);
    const node = new AudioWorkletNode(context, "capture", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
    node.port.onmessage = ({ data }: MessageEvent<Float32Array>) => hand(data);
    context.createMediaStreamSource(stream).connect(node);
  } catch (fault) {
    stop();
    throw fault;
  }
  return stop;
}
