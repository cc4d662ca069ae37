// The same request as lines to copy: for a shell, and for Python.

import { GivenFile } from "./uploads.js";

const CURL = "curl -sS";
const KEY_NAME = "GENZOO_KEY";

/** Return both lines of a request.
 *
 * `url` and `body` are of the request; `keyed` says whether a key goes with it; `file` is the
 * `{ name, kind }` that a call's answer is saved to, none where it is printed; `client` is what a
 * request in OpenAI's words is called by their client.
 */
export function lines(request) {
  return { curl: curl(request), python: request.client ? openai(request) : requests(request) };
}

// --- curl ---

function curl({ url, body, keyed, file, kind, client }) {
  const parts = [`${CURL}${body.stream ? "N" : ""} ${quoted(url)}`];
  if (keyed) parts.push(`-H "authorization: Bearer $${KEY_NAME}"`);
  parts.push("-H 'content-type: application/json'");
  if (!client) parts.push(`-H 'accept: ${kind}'`);
  if (file) parts.push(`-o ${quoted(file)}`);
  const files = given(body);
  if (!files.length) {
    parts.push(`-d ${quoted(json(body))}`);
    return parts.join(" \\\n  ");
  }
  // Files are read where the shell has none of its bounds on the length of a line.
  const inside = (text) => text.replace(/[\\$`]/g, "\\$&");
  const written = json(body, (each) => `"${inside(head(each))},$(base64 < ${quoted(each.name)} | tr -d '\\n')"`, inside);
  parts.push("-d @- <<END");
  return `${parts.join(" \\\n  ")}\n${written}\nEND`;
}

const quoted = (text) => (/^[\w.:/@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

const head = (file) => file.data.slice(0, file.data.indexOf(","));

function given(value) {
  if (value instanceof GivenFile) return [value];
  return value !== null && typeof value === "object" ? Object.values(value).flatMap(given) : [];
}

/** Write a body as JSON, with spaces; `file` writes a file that is given, `inside` all other text. */
function json(value, file = () => "", inside = (text) => text) {
  if (value instanceof GivenFile) return file(value);
  if (Array.isArray(value)) return `[${value.map((each) => json(each, file, inside)).join(", ")}]`;
  if (value !== null && typeof value === "object") {
    const fields = Object.entries(value).map(([name, each]) => `${inside(JSON.stringify(name))}: ${json(each, file, inside)}`);
    return `{${fields.join(", ")}}`;
  }
  return inside(JSON.stringify(value));
}

// --- Python ---

function requests({ url, body, keyed, file, kind }) {
  const files = given(body).length > 0;
  const headers = [`"accept": ${python(kind)}`];
  if (keyed) headers.push(`"authorization": f"Bearer {os.environ['${KEY_NAME}']}"`);
  const read = files ? "\n\ndef address(kind, path):\n    with open(path, \"rb\") as file:\n        return f\"{kind},{base64.b64encode(file.read()).decode()}\"\n\n" : "";
  return `${imports({ base64: files, os: keyed })}import requests
${read}
answer = requests.post(
    ${python(url)},
    headers={${headers.join(", ")}},
    json=${python(body)},
)
answer.raise_for_status()
${file ? `with open(${python(file)}, "wb") as file:\n    file.write(answer.content)` : "print(answer.text)"}
`;
}

function openai({ base, body, keyed, client }) {
  const { known, own } = client;
  const named = Object.entries(body).filter(([name]) => known.includes(name));
  const extra = Object.fromEntries(Object.entries(body).filter(([name]) => own.includes(name)));
  const fields = named.map(([name, value]) => `    ${name}=${python(value)},\n`).join("");
  const beyond = Object.keys(extra).length ? `    extra_body=${python(extra)},\n` : "";
  const secret = keyed ? `os.environ["${KEY_NAME}"]` : '"none"';
  const ask = `client.${client.call}(\n${fields}${beyond})`;
  const tell = body.stream
    ? `for piece in ${ask}:\n    print(piece.choices[0].${client.piece} or "", end="", flush=True)`
    : `answer = ${ask}\nfor choice in answer.choices:\n    print(choice.${client.whole})`;
  return `${imports({ os: keyed })}from openai import OpenAI

client = OpenAI(base_url=${python(base)}, api_key=${secret})
${tell}
`;
}

const imports = (wanted) => {
  const names = Object.keys(wanted).filter((name) => wanted[name]);
  return names.length ? `${names.map((name) => `import ${name}\n`).join("")}\n` : "";
};

/** Write a value as Python does. */
function python(value) {
  if (value instanceof GivenFile) return `address(${python(head(value))}, ${python(value.name)})`;
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  if (typeof value === "object") {
    return `{${Object.entries(value).map(([name, each]) => `${python(name)}: ${python(each)}`).join(", ")}}`;
  }
  return JSON.stringify(value);
}
