// Texts that come piece by piece, by the words that OpenAI's API has for them.

import { events } from "./asking.js";

// What calls name otherwise, and what the completions of this server take.
const RENAMED = { max_new_tokens: "max_tokens" };
const OPENAI = ["model", "prompt", "messages", "max_tokens", "n", "stop", "seed", "temperature", "top_p",
  "frequency_penalty", "presence_penalty", "logit_bias", "stream"];
const OWN = ["top_k", "min_p", "repetition_penalty"];
const KNOWN = [...OPENAI, ...OWN];

const COMPLETIONS = { path: "v1/completions", call: "completions.create", piece: "text", whole: "text" };
const CHAT = { path: "v1/chat/completions", call: "chat.completions.create", piece: "delta.content",
  whole: "message.content" };

/** Return a call's arguments as such a request, or null where it has no words for one of them.
 *
 * `call` is of the description, with the default of each parameter.
 */
export function spoken(call, values) {
  const way = call.turns ? CHAT : COMPLETIONS;
  const { system, ...given } = values;
  if (system) given.messages = [{ role: "system", content: system }, ...given.messages];
  const most = call.properties.max_new_tokens?.default;
  const body = { model: call.model };
  for (const [name, value] of Object.entries({ max_new_tokens: most, ...given })) {
    const theirs = RENAMED[name] ?? name;
    if (!KNOWN.includes(theirs)) return null;
    body[theirs] = value;
  }
  body.stream = true;
  return { path: way.path, body, client: { ...way, known: OPENAI, own: OWN } };
}

/** Yield what comes: `{ index, text }` for each piece, and at last `{ tokens }`. */
export async function* streamed({ path, body }, signal) {
  const asked = { ...body, stream_options: { include_usage: true } };
  for await (const document of events(path, asked, signal)) {
    for (const choice of document.choices ?? []) {
      const text = choice.text ?? choice.delta?.content ?? "";
      if (text) yield { index: choice.index, text };
    }
    if (document.usage) yield { tokens: document.usage.completion_tokens };
  }
}
