// Calls the page's named endpoints as any program may: POST the arguments, then read the answer as it comes.

/** An answer in words: what the caller can put right. */
export class Refusal extends Error {}

/**
 * Calls an endpoint; `onPiece` gets each value while it streams, the promise the last one.
 * Rejects with a Refusal whose message is English, or one of the keys "busy", "offline", "broken".
 */
export async function call(name, args, onPiece = () => {}, signal = undefined) {
  const url = new URL(`gradio_api/call/${name}`, document.baseURI).href;
  let answer;
  try {
    answer = await fetch(url, {
      method: "POST", signal, headers: { "Content-Type": "application/json" }, body: JSON.stringify({ data: args }),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal("offline");
  }
  if (answer.status === 503 || answer.status === 429) throw new Refusal("busy");
  if (!answer.ok) throw new Refusal("broken");
  const { event_id } = await answer.json();
  const stream = await fetch(`${url}/${event_id}`, { signal });
  if (!stream.ok) throw new Refusal("broken");
  let last;
  for await (const { event, data } of events(stream.body)) {
    if (event === "generating" || event === "complete") {
      last = data?.[0] ?? last;
      if (event === "complete") return last;
      onPiece(last);
    } else if (event === "error") {
      const message = typeof data === "string" ? data : data?.error;
      if (message && /queue/i.test(message) && /full/i.test(message)) throw new Refusal("busy");
      throw new Refusal(message || "broken");
    }
  }
  throw new Refusal("offline"); // the stream ended before the answer did
}

/** Server-sent events of a response body. */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    buffer += value;
    const blocks = buffer.split("\n\n");
    buffer = blocks.pop();
    for (const block of blocks) {
      const event = /^event: (.*)$/m.exec(block)?.[1];
      const data = /^data: (.*)$/m.exec(block)?.[1];
      if (event) yield { event, data: data ? JSON.parse(data) : null };
    }
  }
}
