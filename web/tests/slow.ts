// SIBYL_SLOW=MS: all that a page waits for comes late, each by a random time of up to MS milliseconds. A test that reads what is not there yet fails then.
import type { BrowserContext } from "@playwright/test";

const most = Number(process.env["SIBYL_SLOW"] ?? 0);
const late = () => new Promise<void>((resolve) => setTimeout(resolve, Math.random() ** 2 * most));

/** Passes messages on in their order. */
function inOrder<T>(send: (message: T) => void): (message: T) => void {
  let last = Promise.resolve();
  return (message) => void (last = last.then(late).then(() => send(message)));
}

/** In the page: what workers are asked, and the tasks in which React shows what has changed, wait for some milliseconds. */
export function lateTasks([least, most]: [number, number]): void {
  for (const kind of [Worker, MessagePort]) {
    const post = kind.prototype.postMessage as (...message: unknown[]) => void;
    kind.prototype.postMessage = function (this: Worker | MessagePort, ...message: unknown[]) {
      setTimeout(() => post.apply(this, message), least + Math.random() ** 4 * (most - least));
    };
  }
}

export async function slow(context: BrowserContext): Promise<void> {
  if (!most) return;
  await context.addInitScript(lateTasks, [0, most] as [number, number]);
  await context.route(/\/(api|v1)\//, async (route) => {
    await late();
    const request = route.request();
    try {
      if (request.method() !== "GET" || request.isNavigationRequest()) return await route.continue();
      const response = await route.fetch(); // may be of a state that is no more once it arrives
      await late();
      await route.fulfill({ response });
    } catch {
      // the page no longer waits for it
    }
  });
  await context.routeWebSocket(/\/api\/ws/, (socket) => {
    const server = socket.connectToServer();
    socket.onMessage(inOrder((message) => server.send(message)));
    server.onMessage(inOrder((message) => socket.send(message)));
  });
}
