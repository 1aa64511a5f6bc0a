// The official SDKs of OpenAI and Anthropic for JavaScript against retrysim
// serve: RETRYSIM is the command.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";

let server, urls;

before(async () => {
  server = spawn(process.env.RETRYSIM, ["serve", new URL("scripts", import.meta.url).pathname], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(createInterface({ input: server.stdout }), "line");
  urls = Object.fromEntries(JSON.parse(line).scripts.map((s) => [s.name, s.url]));
});

after(() => server.kill());

const openai = (name) => new OpenAI({ baseURL: `${urls[name]}/v1`, apiKey: "none", maxRetries: 2 });
const anthropic = (name) => new Anthropic({ baseURL: urls[name], apiKey: "none", maxRetries: 2 });
const chat = { model: "m", messages: [{ role: "user", content: "hello" }] };
const message = { ...chat, max_tokens: 99 };

// What the server saw, and a fresh start for the next test.
async function finish(name, attempts) {
  const report = await (await fetch(`${urls[name]}/report`)).json();
  await fetch(`${urls[name]}/reset`, { method: "POST" });
  assert.equal(report.attempts, attempts);
  assert.deepEqual(report.findings.filter((f) => f.level === "violation"), []);
  return report;
}

test("openai: refused twice, then a stream", async () => {
  const stream = openai("stream").chat.completions.stream({ ...chat, stream_options: { include_usage: true } });
  const done = await stream.finalChatCompletion();
  const { message: got, finish_reason } = done.choices[0];
  assert.equal(got.content, "Hello");
  assert.equal(finish_reason, "tool_calls");
  assert.deepEqual([got.tool_calls[0].id, got.tool_calls[0].function.name, got.tool_calls[0].function.arguments], ["call_7", "search", '{"q":"go"}']);
  assert.deepEqual([done.usage.prompt_tokens, done.usage.completion_tokens], [9, 7]);
  await finish("stream", 3);
});

test("openai: refused, then an answer", async () => {
  const done = await openai("whole").chat.completions.create(chat);
  assert.equal(done.choices[0].message.content, "Hello");
  await finish("whole", 2);
});

test("openai: responses", async () => {
  const done = await openai("whole").responses.create({ model: "m", input: "hello" });
  assert.equal(done.output_text, "Hello");
  await finish("whole", 2);
});

test("openai: a stream that breaks is not tried again", async () => {
  for (let attempts = 1; attempts <= 2; attempts++) {
    let text = "";
    await assert.rejects(async () => {
      for await (const chunk of await openai("broken").chat.completions.create({ ...chat, stream: true })) text += chunk.choices[0]?.delta?.content ?? "";
    });
    assert.equal(text, "Hel");
  }
  await fetch(`${urls.broken}/reset`, { method: "POST" });
});

test("openai: a wrong key is not tried again", async () => {
  await assert.rejects(openai("permanent").chat.completions.create(chat), OpenAI.AuthenticationError);
  await finish("permanent", 1);
});

test("anthropic: refused twice, then a stream", async () => {
  const done = await anthropic("stream").messages.stream(message).finalMessage();
  assert.equal(done.content[0].text, "Hello");
  assert.deepEqual([done.content[1].id, done.content[1].name, done.content[1].input], ["call_7", "search", { q: "go" }]);
  assert.equal(done.stop_reason, "tool_use");
  assert.deepEqual([done.usage.input_tokens, done.usage.output_tokens], [9, 7]);
  await finish("stream", 3);
});

test("anthropic: refused, then an answer", async () => {
  const done = await anthropic("whole").messages.create(message);
  assert.equal(done.content[0].text, "Hello");
  await finish("whole", 2);
});

test("anthropic: a stream that breaks is not tried again", async () => {
  for (let attempts = 1; attempts <= 2; attempts++) {
    let text = "";
    await assert.rejects(async () => {
      for await (const event of await anthropic("broken").messages.create({ ...message, stream: true })) text += event.delta?.text ?? "";
    });
    assert.equal(text, "Hel");
  }
  await fetch(`${urls.broken}/reset`, { method: "POST" });
});

test("anthropic: a wrong key is not tried again", async () => {
  await assert.rejects(anthropic("permanent").messages.create(message), Anthropic.AuthenticationError);
  await finish("permanent", 1);
});
