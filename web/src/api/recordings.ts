// Recordings on the server: each is uploaded once, whatever is then asked about it.
import { ApiError, request } from "./client";

const uploads = new WeakMap<File, Promise<string>>();

function upload(file: File): Promise<string> {
  const form = new FormData();
  form.set("file", file, file.name);
  const id = request("/api/recordings", { method: "POST", body: form })
    .then((answer) => answer.json() as Promise<{ id: string }>)
    .then((recording) => recording.id);
  uploads.set(file, id);
  id.catch(() => uploads.delete(file)); // the next question tries again
  return id;
}

/** Posts a form about a recording, which is uploaded unless it is there: again where the server has forgotten it. */
export async function ask(path: string, file: File, form: FormData, signal: AbortSignal): Promise<Response> {
  const known = uploads.get(file);
  const post = async (id: string) => {
    form.set("recording", id);
    signal.throwIfAborted();
    return request(path, { method: "POST", body: form, signal });
  };
  try {
    return await post(await (known ?? upload(file)));
  } catch (fault) {
    if (known === undefined || !(fault instanceof ApiError) || fault.fault.param !== "recording") throw fault;
    const again = uploads.get(file); // another question may have found so before
    return post(await (again === undefined || again === known ? upload(file) : again));
  }
}
