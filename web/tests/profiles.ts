// Profiles with the same times on every machine: how long a node takes depends on what else the machine does.
import type { Page } from "@playwright/test";

export interface Span {
  kind: string;
  name: string;
  op_type: string;
  begin: number;
  end: number | null;
  thread: number;
  depth: number;
  parent: number;
}

export interface Row {
  node: string;
  op_type: string;
  backend: string;
  seconds: number;
  memory: number;
  flops: number;
  bytes_read: number;
  bytes_written: number;
}

export interface Profile {
  total: number;
  spans: Span[];
  by_operator: Row[];
  by_node: Row[];
}

const lengthOf = ({ begin, end }: Span) => (end ?? begin) - begin;

async function read(page: Page, run: string): Promise<Profile> {
  const at = async (from: number) => (await (await page.request.get(`/api/runs/${run}/profile`, { params: { from } })).json()) as Profile;
  const profile = await at(0);
  while (profile.spans.length < profile.total) profile.spans.push(...(await at(profile.spans.length)).spans);
  return profile;
}

/** Has the page see a run's profile with a microsecond from each begin or end of a span to the next; that profile. */
export async function evenProfile(page: Page, run: string): Promise<Profile> {
  const profile = await read(page, run);
  const times = [...new Set(profile.spans.flatMap(({ begin, end }) => [begin, end ?? begin]))].sort((a, b) => a - b);
  const places = new Map(times.map((time, i) => [time, i]));
  for (const span of profile.spans) [span.begin, span.end] = [places.get(span.begin)!, places.get(span.end ?? span.begin)!];
  const taken = (of: (span: Span) => boolean) => profile.spans.reduce((sum, span) => sum + (span.kind === "node" && of(span) ? lengthOf(span) : 0), 0) * 1e-6;
  for (const row of profile.by_node) row.seconds = taken(({ name, op_type }) => name === row.node && op_type === row.op_type);
  for (const row of profile.by_operator) row.seconds = taken(({ op_type }) => op_type === row.op_type);
  for (const rows of [profile.by_node, profile.by_operator]) rows.sort((a, b) => b.seconds - a.seconds);
  await page.route(`**/api/runs/${run}/profile*`, (route) => {
    const { searchParams } = new URL(route.request().url());
    if (searchParams.has("format")) return route.fallback();
    return route.fulfill({ json: searchParams.get("count") === "0" ? { ...profile, spans: [] } : profile });
  });
  return profile;
}

export const longest = ({ spans }: Profile, kind: string): Span => spans.filter((span) => span.kind === kind).reduce((best, span) => (lengthOf(span) > lengthOf(best) ? span : best));
