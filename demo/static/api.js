// Calls the page's named endpoints through Gradio's queue, as its own client does, and reads the answer as it comes.

import { page } from "./dom.js";

/** Why there is no answer. */
export class Refusal extends Error {
  /**
   * `key` is of the page's own words ("busy", "offline", "lost", "broken"), or, with `fields`, of what the caller can
   * put right.
   */
  constructor(key, fields = null) {
    super(key);
    this.key = key;
    this.fields = fields;
  }
}

/** A place in the queue of one's own: what is left is dropped with it. */
const hash = () => Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16)).join("");

/**
 * Calls an endpoint with its options by name; those left out are as by default. `onPiece` gets each value while it
 * streams, `onQueue` how many calls come before this one; the promise gives the last value. Rejects with a Refusal, or
 * with an AbortError, if `signal` says so.
 */
export async function call(name, values, { onPiece = () => {}, onQueue = () => {}, signal } = {}) {
  const { api_prefix, dependencies } = window.gradio_config;
  const base = new URL(`.${api_prefix}/queue/`, document.baseURI), session = hash();
  const data = page.facts.options[name].map((option) => values[option.name] ?? option.default);
  const fn_index = dependencies.find(({ api_name }) => api_name === name).id;
  const joined = await reached(fetch(new URL(`join?${name}`, base), {
    method: "POST",
    signal,
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ data, fn_index, session_hash: session, simple_format: true }),
  }));
  if (joined.status === 503 || joined.status === 429) throw new Refusal("busy");
  if (!joined.ok) throw new Refusal("broken");
  const stream = await reached(fetch(new URL(`data?session_hash=${session}`, base), { signal }));
  if (!stream.ok) throw new Refusal("broken");
  for await (const message of messages(stream.body)) {
    if (message.msg === "estimation") onQueue(message.rank);
    const answer = given(message);
    if (!answer) continue;
    if (message.msg === "process_completed") return answer[0];
    onPiece(answer[0]);
  }
  throw new Refusal("lost"); // the stream ended before the answer did
}

/** What a message of the queue gives of the answer, or undefined. */
function given({ msg, output, success }) {
  if (msg === "unexpected_error") throw new Refusal("lost");
  if (success === false) throw refusal(output ?? {});
  return output?.data;
}

/** The refusal in an error of the queue: its title is, for programs, the key and fields of a fault; see app.py. */
function refusal({ error, title }) {
  if (!error) return new Refusal("broken");
  try {
    const { key, fields } = JSON.parse(title);
    return new Refusal(key, fields);
  } catch { // Gradio's own words
    return new Refusal(/queue.*full/i.test(error) ? "busy" : "broken");
  }
}

/** What a fetch gives; a host out of reach is a refusal. */
async function reached(fetched) {
  try {
    return await fetched;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal("offline");
  }
}

/** The messages of an event stream, each a line of JSON after "data: ". */
export async function* messages(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { value, done } = await reader.read().catch((error) => {
      if (error.name === "AbortError") throw error;
      throw new Refusal("lost");
    });
    if (done) return;
    buffer += value;
    const blocks = buffer.split("\n\n");
    buffer = blocks.pop();
    for (const block of blocks) {
      if (block.startsWith("data: ")) yield JSON.parse(block.slice(6));
    }
  }
}
