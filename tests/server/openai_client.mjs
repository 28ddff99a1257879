/** What test_openai_node.py runs: OpenAI's own package for Node against the server at the address of its first argument. */
import assert from "node:assert/strict";
import * as buffer from "node:buffer";
import { createReadStream } from "node:fs";
import { createRequire } from "node:module";

globalThis.File ??= buffer.File; // Node 18 has it there alone
const [address, recording, spoken, web] = process.argv.slice(2);
const { default: OpenAI } = await import(createRequire(`${web}/package.json`).resolve("openai"));
const client = new OpenAI({ baseURL: `${address}/v1`, apiKey: "secret", maxRetries: 0 });

/** The members of an asynchronous list. */
async function all(list) {
  const members = [];
  for await (const member of list) members.push(member);
  return members;
}

assert.deepEqual((await all(client.models.list())).map((m) => m.id), ["digits", "chain", "embed", "caller"]);

const speech = (more) => client.audio.transcriptions.create({ model: "whisper-1", file: createReadStream(recording), ...more });
assert.equal((await speech()).text, spoken);
assert.match(await speech({ response_format: "srt" }), / --> /);
const verbose = await speech({ response_format: "verbose_json", timestamp_granularities: ["word", "segment"] });
assert.equal(verbose.words.map((w) => w.word).join(" "), spoken);
const events = await all(await speech({ stream: true, include: ["logprobs"] }));
assert.equal(events.slice(0, -1).map((e) => e.delta).join(""), spoken);
assert.deepEqual(events.slice(0, -1).flatMap((e) => e.logprobs), events.at(-1).logprobs);

const text = { model: "chain", prompt: "in", max_tokens: 9, seed: 1 };
const whole = await client.completions.create(text);
assert.equal(whole.usage.completion_tokens, 9);
const pieces = await all(await client.completions.create({ ...text, stream: true }));
assert.equal(pieces.map((p) => p.choices[0].text).join(""), whole.choices[0].text);

const chat = { model: "chain", messages: [{ role: "user", content: "hello" }], max_completion_tokens: 9, seed: 1 };
const answer = await client.chat.completions.create({ ...chat, logprobs: true, top_logprobs: 2 });
assert.equal(answer.choices[0].logprobs.content.length, 9);
const deltas = await all(await client.chat.completions.create({ ...chat, stream: true }));
assert.equal(deltas.map((p) => p.choices[0].delta.content ?? "").join(""), answer.choices[0].message.content);

const parameters = { type: "object", properties: { city: { type: "string" } } };
const tools = { model: "caller", messages: chat.messages, tools: [{ type: "function", function: { name: "weather", parameters } }] };
const called = (await client.chat.completions.create(tools)).choices[0];
assert.equal(called.finish_reason, "tool_calls");
assert.deepEqual(JSON.parse(called.message.tool_calls[0].function.arguments), { city: "Bern" });
const final = await client.chat.completions.stream(tools).finalChatCompletion();
assert.equal(final.choices[0].message.tool_calls[0].function.name, "weather");

const vectors = await client.embeddings.create({ model: "embed", input: ["a b", "c"] });
const floats = await client.embeddings.create({ model: "embed", input: ["a b", "c"], encoding_format: "float" });
for (const [i, { embedding }] of vectors.data.entries()) {
  assert.equal(embedding.length, floats.data[i].embedding.length);
  embedding.forEach((x, k) => assert.ok(Math.abs(x - floats.data[i].embedding[k]) < 1e-6));
}

await assert.rejects(client.completions.create({ model: "none", prompt: "a" }), OpenAI.NotFoundError);
await assert.rejects(client.completions.create({ model: "chain", prompt: "a", suffix: "b" }), OpenAI.BadRequestError);
await assert.rejects(client.withOptions({ apiKey: "other" }).models.list(), OpenAI.AuthenticationError);
