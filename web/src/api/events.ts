// Server-sent events of an answer.
import { ApiError } from "./client";
import type { ApiFault } from "./types";

/** The data of each event; "[DONE]" ends them, an event named "error" is thrown. */
export async function* events<T>(answer: Response): AsyncGenerator<T> {
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (let end = !reader; !end; ) {
    const { done, value = "" } = await reader!.read();
    end = done;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const lines = block.split("\n");
      const data = lines.filter((line) => line.startsWith("data: ")).map((line) => line.slice(6)).join("\n");
      if (data === "[DONE]") return;
      const read = JSON.parse(data) as T;
      if (lines.includes("event: error")) throw new ApiError(500, (read as { error: ApiFault }).error);
      yield read;
    }
  }
}
