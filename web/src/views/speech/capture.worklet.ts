// In the thread of the sound: hands each block of samples to the page.
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}
declare function registerProcessor(name: string, processor: typeof AudioWorkletProcessor): void;

class Capture extends AudioWorkletProcessor {
  process([input]: Float32Array[][]): boolean {
    const samples = input?.[0]?.slice(); // the block's memory is used again
    if (samples) this.port.postMessage(samples, [samples.buffer as ArrayBuffer]);
    return true;
  }
}

registerProcessor("capture", Capture);
