// Lays graphs out beside the page, which goes on answering.
import { layered, type LayoutInput } from "./layered";

self.onmessage = ({ data }: MessageEvent<{ ask: number; input: LayoutInput }>) => {
  const layout = layered(data.input);
  const memory = [layout.x, layout.y, layout.rank, layout.points, layout.starts, layout.stub].map((array) => array.buffer as ArrayBuffer);
  self.postMessage({ ask: data.ask, layout }, { transfer: memory });
};
