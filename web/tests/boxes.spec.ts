import { expect, test } from "@playwright/test";
import { drawBoxTitles } from "../src/views/graph/boxes";

test("the title of a frame hides what runs below it, in its room and no further", () => {
  const calls: [string, ...unknown[]][] = [];
  const context = {
    measureText: (text: string) => ({ width: 8 * text.length }),
    fillRect: (...at: number[]) => calls.push(["hidden", ...at]),
    fillText: (...what: unknown[]) => calls.push(["text", ...what]),
  } as unknown as CanvasRenderingContext2D;
  const group = (title: string) => ({ title, count: 1 }) as never;
  const drawn = { boxes: [group("narrow frame with a long title"), group("wide"), group("away")], layout: { boxes: Float32Array.from([0, 0, 100, 90, 200, 0, 600, 90, 5000, 0, 5100, 90]) } };
  drawBoxTitles(context, drawn as never, [0, 0, 1000, 1000], null, { surface: "white", muted: "grey", accent: "blue" });
  expect(calls.map(([what]) => what)).toEqual(["hidden", "text", "hidden", "text"]); // the third is not in sight
  const [narrow, text, wide] = calls;
  expect(narrow![1]).toBeGreaterThan(0);
  expect((narrow![1] as number) + (narrow![3] as number)).toBeLessThan(100);
  expect(text![4]).toBe(80); // the room in which it is written
  expect(wide![3]).toBeLessThan(100);
});
