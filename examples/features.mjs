/* Whisper features of a WAV file of one channel, 16 kHz and 16 bits, under Node:
       npm install ../js && node features.mjs speech.wav */
import { readFile, writeFile } from "node:fs/promises";
import { logMelSpectrogram } from "sibyl";

/** The samples, from -1 to 1, in the chunk "data" of a WAV file. */
function samplesOf(file) {
  for (let at = 12; at + 8 <= file.length; at += 8 + file.readUInt32LE(at + 4) + (file.readUInt32LE(at + 4) % 2)) {
    if (file.toString("latin1", at, at + 4) !== "data") continue;
    const bytes = file.subarray(at + 8, at + 8 + file.readUInt32LE(at + 4));
    return Float32Array.from({ length: Math.floor(bytes.length / 2) }, (_, i) => bytes.readInt16LE(2 * i) / 32768);
  }
  throw new Error("no WAV file: it has no chunk of samples");
}

const features = await logMelSpectrogram(samplesOf(await readFile(process.argv[2])));
const [bands, frames] = features.dims;
await writeFile("features.f32", features.data); // row by row
console.log(`features.f32: ${bands} bands, ${frames} frames`);
