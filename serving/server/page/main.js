// The page: which models there are, what they can be asked for, and what they answer.

import { Refusal, address, ask, key } from "./asking.js";
import { control } from "./controls.js";
import { Conversation } from "./conversation.js";
import { element, words } from "./elements.js";
import { lines } from "./lines.js";
import { count, show, textCard } from "./showing.js";
import { spoken, streamed } from "./texts.js";

const SOON = 120; // milliseconds between a slider's last move and the request
const QUICK = 1500; // milliseconds; what took longer is not asked for again by itself
const WAIT = 1500; // milliseconds until a server that loads is asked again

const at = (id) => document.getElementById(id);
const page = { models: [], contents: {}, model: null, call: null, controls: {}, running: null, lasted: null };

// --- what there is ---

async function open() {
  fail(null);
  try {
    const described = await (await ask("openapi.json")).json();
    page.contents = described["x-contents"];
    page.models = described.tags.map((tag) => modelOf(tag, described.paths));
    chooseModel(...named());
    watch();
  } catch (error) {
    at("key").open = error.status === 401 || at("key").open;
    document.querySelector(".answer").hidden = false;
    at("lines").hidden = true;
    tellServer(error.status === 401 ? "needs a key" : "does not answer", false);
    fail(error);
  }
}

function modelOf({ name, description, "x-task": task }, paths) {
  const operations = Object.values(paths).map((path) => path.post).filter((each) => each["x-call"].model === name);
  const calls = operations.map((operation) => {
    const { schema } = operation.requestBody.content["application/json"];
    return { ...operation["x-call"], help: operation.summary, properties: schema.properties,
      required: schema.required ?? [] };
  });
  return { name, description, task, calls };
}

/** Return the model and the call that the address names, or the first. */
function named() {
  const [model, call] = decodeURIComponent(location.hash.slice(1)).split("/");
  const found = page.models.find((each) => each.name === model) ?? page.models[0];
  return [found, found.calls.find((each) => each.name === call)];
}

async function watch() {
  try {
    await ask("v2/health/ready");
    tellServer("ready", true);
  } catch (error) {
    tellServer(error.status === 503 ? "loading" : "does not answer", false);
    setTimeout(watch, WAIT);
  }
}

function tellServer(state, good) {
  at("server").textContent = state;
  at("server").dataset.good = good;
}

// --- choosing ---

/** Show a call of a model; its first one that wants no files unless one is named. */
function chooseModel(model, call) {
  const wanted = call ?? model.calls.find((each) => each.turns) ?? model.calls[0];
  page.model = model;
  document.querySelector(".asking").hidden = false;
  document.querySelector(".answer").hidden = false;
  at("lines").hidden = false;
  at("models").replaceChildren(...page.models.map((each) => radio("model", each.name, each === model,
    [element("b", {}, each.name), element("small", {}, each.task)], () => chooseModel(each))));
  at("model-name").textContent = model.name;
  at("model-summary").textContent = model.description;
  at("calls").replaceChildren(...model.calls.map((each) => radio("call", each.name, each === wanted,
    [words(each.name)], () => chooseCall(each))));
  chooseCall(wanted);
}

function radio(name, value, checked, inside, chosen) {
  const input = element("input", { type: "radio", name, value, checked });
  input.addEventListener("change", chosen);
  return element("label", {}, input, element("span", {}, ...inside));
}

function chooseCall(call) {
  halt();
  page.call = call;
  page.lasted = null;
  history.replaceState(null, "", `#${encodeURIComponent(call.model)}/${encodeURIComponent(call.name)}`);
  document.title = `${call.model} · genzoo`;
  at("call-help").textContent = `${call.help.replace(/, see `[^`]*`/, "")}.`;
  makeControls(call);
  page.conversation = call.turns ? new Conversation(at("shown")) : null;
  at("form").classList.toggle("talks", Boolean(call.turns));
  at("composer").hidden = !call.turns;
  at("go").textContent = call.turns ? "New conversation" : words(call.name);
  at("shown").removeAttribute("aria-live");
  fail(null);
  tell("");
  if (page.conversation) page.conversation.begin();
  else at("shown").replaceChildren(nothingYet(call));
  showFiles();
  showLines();
}

function nothingYet(call) {
  const noun = page.contents[call.gives].noun;
  return element("p", { className: "nothing" }, element("b", {}, `No ${noun} yet`),
    ` Press ${words(call.name)}, or Ctrl and Enter.`);
}

function makeControls(call) {
  const context = {
    contents: page.contents,
    several: call.properties.n ? () => page.controls.n.read() ?? call.properties.n.default : null,
    draw: (content) => drawer(content),
    changed: () => changed(),
    failed: fail,
  };
  const names = Object.keys(call.properties).filter((name) => name !== call.turns);
  page.controls = {};
  for (const name of names) {
    page.controls[name] = control(name, call.properties[name], call.required.includes(name), context);
  }
  const all = Object.values(page.controls);
  const first = all.filter((each) => each.first);
  at("fields").replaceChildren(...first.map((each) => each.element));
  const rest = all.filter((each) => !each.first);
  at("more").hidden = !rest.length;
  at("more").open = false;
  at("more-fields").replaceChildren(...rest.map((each) => each.element));
}

/** Return what makes one of a kind of content by the model's own `generate`, if it makes such. */
function drawer(content) {
  const found = page.model.calls.find((each) => each.name === "generate" && each.gives === content);
  if (!found?.properties.n) return null;
  return async () => {
    const body = { n: 1 };
    for (const name of found.required) body[name] = found.properties[name]["x-example"];
    if (found.properties.labels) body.labels = page.controls.labels?.read() ?? found.properties.labels["x-example"];
    const answer = await (await ask(`v1/calls/${found.model}/${found.name}`, { body })).json();
    return [answer[content]].flat(Infinity)[0];
  };
}

// --- asking ---

/** Return the arguments as the controls have them; those that are left to the server are left out. */
function values() {
  const found = {};
  for (const [name, each] of Object.entries(page.controls)) {
    const value = each.read();
    if (value !== undefined) found[name] = value;
  }
  return found;
}

/** Return the request that the controls stand for. */
function requested() {
  const { call } = page;
  const given = values();
  if (call.turns) given[call.turns] = page.conversation.asked();
  const stream = call.streams ? spoken(call, given) : null;
  return { stream, given, path: `v1/calls/${call.model}/${call.name}` };
}

async function go() {
  halt();
  fail(null);
  const running = new AbortController();
  page.running = running;
  const { call } = page;
  busy(true);
  try {
    const request = requested();
    showLines();
    const streams = request.stream && !page.unspoken?.has(request.stream.path);
    await (streams ? write(request, running.signal) : make(request, running.signal));
  } catch (error) {
    if (page.running === running) ended(error, call);
  } finally {
    if (page.running === running) {
      page.running = null;
      busy(false);
    }
  }
}

function ended(error, call) {
  if (error.name === "AbortError") tell("Stopped.");
  else {
    if (!page.conversation) at("shown").replaceChildren(nothingYet(call));
    at("key").open = at("key").open || error.status === 401;
    tell("");
    fail(error);
  }
}

/** Ask for what is shown when it is whole. */
async function make({ given, path }, signal) {
  const { call } = page;
  const content = page.contents[call.gives];
  const kinds = Object.values(content.files);
  const own = kinds.some((kind) => kind.startsWith("image/") || kind.startsWith("text/"));
  const begun = performance.now();
  const answer = await (await ask(path, { body: given, signal, headers: own ? {} : { prefer: "shown" } })).json();
  const lasted = performance.now() - begun;
  page.lasted = lasted;
  const value = answer[call.gives];
  if (page.conversation) page.conversation.answered().write(value);
  else show(at("shown"), { value, shown: answer.shown, noun: content.noun, prompt: call.continues ? given[call.continues] : "" });
  const made = count(value);
  const speed = own ? [`${rate(made / lasted * 1000)} ${call.gives === content.unit ? "" : content.noun}s/s`] : [];
  tell([duration(lasted), ...speed, seedOf(answer.seed)].filter(Boolean).join(" · "));
  showFiles();
}

/** Ask for texts, and show them as they come. */
async function write({ stream, given }, signal) {
  const { call } = page;
  const begun = performance.now();
  const cards = [];
  let first = null;
  let tokens = null;
  at("shown").setAttribute("aria-live", "polite");
  at("shown").setAttribute("aria-busy", "true"); // read out when it is whole
  if (!page.conversation) at("shown").replaceChildren();
  const card = (index) => {
    if (page.conversation) return (cards[0] ??= page.conversation.answered());
    while (cards.length <= index) {
      cards.push(textCard(given[call.continues]));
      at("shown").append(cards.at(-1).element);
    }
    return cards[index];
  };
  try {
    for await (const news of streamed(stream, signal)) {
      if (news.tokens !== undefined) tokens = news.tokens;
      else {
        first ??= performance.now() - begun;
        card(news.index).write(news.text);
        tell(`Writing · first token ${duration(first)}`);
      }
    }
  } catch (error) {
    if (error.status !== 404) throw error;
    (page.unspoken ??= new Set()).add(stream.path); // this server has only the calls
    await make(requested(), signal);
    return;
  } finally {
    at("shown").setAttribute("aria-busy", "false");
  }
  const lasted = performance.now() - begun;
  page.lasted = lasted;
  const speed = tokens === null ? [] : [`${tokens} tokens`, `${rate(tokens / lasted * 1000)} tokens/s`];
  const beginning = first === null ? [] : [`first token ${duration(first)}`];
  tell([duration(lasted), ...beginning, ...speed, seedOf(given.seed)].filter(Boolean).join(" · "));
  showFiles();
}

function halt() {
  page.running?.abort();
  page.running = null;
  busy(false);
}

/** Ask again, where that is quick, once the controls have settled. */
let settling = null;
function changed() {
  clearTimeout(settling);
  showLines();
  const { call } = page;
  if (page.lasted === null || page.lasted > QUICK || call.streams) return;
  settling = setTimeout(go, SOON);
}

// --- telling ---

const duration = (milliseconds) => (milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`);
const rate = (each) => (each >= 10 ? Math.round(each).toLocaleString("en") : each.toFixed(1));
const seedOf = (seed) => (seed === null || seed === undefined ? "" : `seed ${seed}`);

function tell(text) {
  at("status").textContent = text;
}

function fail(error) {
  at("error").hidden = !error;
  at("error").textContent = error ? error.message : "";
  if (error && !(error instanceof Refusal) && error.name !== "AbortError") console.error(error);
}

function busy(now) {
  document.body.classList.toggle("busy", now);
  at("stop").hidden = !now;
  if (now && !page.call.turns) tell("Working…");
}

// --- lines to copy, and files ---

function showLines() {
  const chosen = document.querySelector('input[name="line"]:checked').value;
  let text;
  try {
    text = lines(described())[chosen].trimEnd();
  } catch (error) {
    text = error.message; // something is missing yet
  }
  at("line").textContent = text;
}

/** Return what lines to copy are made of. */
function described() {
  const { call } = page;
  const { stream, given, path } = requested();
  const keyed = Boolean(key.get());
  if (stream && !page.unspoken?.has(stream.path)) {
    const several = (stream.body.n ?? 1) > 1;
    const { stream: streams, ...whole } = stream.body;
    const body = several ? whole : { ...whole, stream: streams };
    return { url: address(stream.path), base: address("v1"), body, keyed, client: stream.client };
  }
  const [suffix, kind] = Object.entries(page.contents[call.gives].made)[0];
  const printed = kind.startsWith("text/") || kind === "application/json";
  return { url: address(path), body: given, keyed, kind, file: printed ? null : `${call.model}${suffix}` };
}

/** Offer the files that the answer can be had as, once there is one. */
function showFiles() {
  const { call } = page;
  at("files").hidden = page.lasted === null || Boolean(call.turns);
  if (at("files").hidden) return;
  const buttons = Object.entries(page.contents[call.gives].made).map(([suffix, kind]) => {
    const button = element("button", { type: "button", className: "plain" }, suffix.slice(1));
    button.setAttribute("aria-label", `Save as ${suffix.slice(1)}`);
    button.addEventListener("click", () => save(suffix, kind).catch(fail));
    return button;
  });
  at("files").replaceChildren("Save as ", ...buttons);
}

async function save(suffix, kind) {
  const { given, path } = requested();
  const response = await ask(path, { body: given, headers: { accept: kind } });
  const source = URL.createObjectURL(await response.blob());
  element("a", { href: source, download: `${page.call.model}${suffix}` }).click();
  setTimeout(() => URL.revokeObjectURL(source), 1000);
}

async function copy() {
  const button = at("copy");
  try {
    await navigator.clipboard.writeText(at("line").textContent);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(at("line"));
    button.textContent = "Selected";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
}

// --- what people do ---

function submitted(event) {
  event.preventDefault();
  if (page.conversation) {
    halt();
    page.conversation.begin();
    fail(null);
    tell("");
    showLines();
    at("said").focus();
  } else {
    go();
    const below = document.querySelector(".answer").getBoundingClientRect().top > innerHeight - 80;
    if (below) document.querySelector(".answer").scrollIntoView(); // on a narrow screen
  }
}

async function said(event) {
  event.preventDefault();
  const text = at("said").value.trim();
  if (!text || page.running) return;
  at("said").value = "";
  page.conversation.say(text);
  await go();
  showLines();
  at("said").focus();
}

at("form").addEventListener("submit", submitted);
at("form").addEventListener("input", changed);
at("form").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) at("form").requestSubmit();
});
at("composer").addEventListener("submit", said);
at("said").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    at("composer").requestSubmit();
  }
});
at("stop").addEventListener("click", () => page.running?.abort());
at("copy").addEventListener("click", copy);
at("lines").addEventListener("change", showLines);
at("key-field").value = key.get();
at("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  key.set(at("key-field").value.trim());
  at("key").open = false;
  open();
});
addEventListener("hashchange", () => page.models.length && chooseModel(...named()));
open();
