// Talks with the server. Addresses are relative to the page, wherever a proxy has put it.

const KEY = "genzoo-key"; // in sessionStorage: it is gone with the tab

/** What the server, or the way to it, says against a request. */
export class Refusal extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

export const address = (path) => new URL(path, document.baseURI).href;

export const key = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (value) => (value ? sessionStorage.setItem(KEY, value) : sessionStorage.removeItem(KEY)),
};

/** Ask, and return the response; what is no success is thrown as a Refusal. */
export async function ask(path, { body, headers = {}, signal } = {}) {
  const sent = { ...headers };
  if (key.get()) sent.authorization = `Bearer ${key.get()}`;
  if (body !== undefined) sent["content-type"] = "application/json";
  let response;
  try {
    response = await fetch(address(path), {
      method: body === undefined ? "GET" : "POST",
      body: body === undefined ? undefined : JSON.stringify(body),
      headers: sent,
      signal,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal("The server cannot be reached. Is it still running?");
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

async function refusal(response) {
  let message = `The server answered ${response.status}.`;
  try {
    const { error } = await response.json();
    message = error.message ?? error;
  } catch {
    // what stands before the server answers in its own way
  }
  return new Refusal(message, response.status);
}

/** Yield the documents of a stream of server-sent events, until it says that it is done. */
export async function* events(path, body, signal) {
  const response = await ask(path, { body, signal });
  let rest = "";
  for await (const piece of pieces(response.body.pipeThrough(new TextDecoderStream()))) {
    rest += piece;
    const whole = rest.split("\n\n");
    rest = whole.pop();
    for (const event of whole) {
      const data = event.replace(/^data: ?/, "");
      if (!event.startsWith("data:")) continue;
      if (data === "[DONE]") return;
      const document = JSON.parse(data);
      if (document.error) throw new Refusal(document.error.message ?? document.error);
      yield document;
    }
  }
}

async function* pieces(stream) {
  // Not every browser can iterate over a stream.
  const reader = stream.getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
  } finally {
    reader.cancel().catch(() => {});
  }
}
