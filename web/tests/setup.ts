import { execFileSync } from "node:child_process";
import { arrays, command, models } from "./server";

export default function setup(): void {
  execFileSync("python3", ["-B", new URL("models.py", import.meta.url).pathname, models, arrays], { env: { ...process.env, SIBYL_COMMAND: command } });
}
