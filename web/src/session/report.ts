// A report: the page itself in one file, with a session in it.
import { request } from "../api/client";
import { formatBytes } from "../components/format";
import { texts } from "../texts";
import { pack } from "./archive";
import type { Session } from "./session";

const MAX_BYTES = 5_000_000;

function base64(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 0x6000) text += String.fromCharCode(...bytes.subarray(i, i + 0x6000));
  return btoa(text);
}

/** Throws where it would take more than 5 MB. */
export async function writeReport(session: Session): Promise<Blob> {
  const page = await (await request("/assets/report.html", { cache: "no-cache" })).text(); // its name has no hash
  const report = new Blob([page.replace("<!--session-->", () => `<script type="application/octet-stream" id="session">${base64(pack(session))}</script>`)], { type: "text/html" });
  if (report.size > MAX_BYTES) throw new Error(texts.session.largeReport(formatBytes(report.size)));
  return report;
}
