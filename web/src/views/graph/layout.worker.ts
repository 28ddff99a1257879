// Lays graphs out beside the page, which goes on answering.
import { nested, type NestedInput } from "./nested";

self.onmessage = ({ data }: MessageEvent<{ ask: number; input: NestedInput }>) => {
  const layout = nested(data.input);
  const memory = [layout.x, layout.y, layout.rank, layout.points, layout.starts, layout.stub, layout.boxes].map((array) => array.buffer as ArrayBuffer);
  self.postMessage({ ask: data.ask, layout }, { transfer: memory });
};
