// Makes a control of the schema of a parameter: what there is to set is the model's to say.

import { Refusal } from "./asking.js";
import { element, newId, words } from "./elements.js";
import { latents } from "./latents.js";
import { uploads } from "./uploads.js";

const BUTTONS = 24; // values that are buttons; more are a slider
const NOTCHES = 512; // whole numbers on a slider
const WIDE = 10; // range of a slider of fractions; beyond, they are typed
const SEEDS = 2 ** 31;

/** Return the control of one parameter: its element, what reads it, and whether it is seen at once.
 *
 * `read` returns undefined where the parameter is left to the server. `context` has `contents` of
 * the server, `several` (how many are made, if that is a parameter), `draw(content)`, `changed()`
 * and `failed(error)`.
 */
export function control(name, schema, required, context) {
  const shape = shapeOf(name, schema, required);
  const made = kindOf(shape, context)(shape, context);
  const hint = element("p", { className: "hint", id: newId() }, shape.hint);
  const [label, labelled] = made.labels
    ? [element("label", { htmlFor: made.labels.id }, shape.label), made.labels]
    : [element("span", { className: "caption", id: newId() }, shape.label), made.element];
  if (shape.hint) labelled.setAttribute("aria-describedby", hint.id);
  if (!made.labels) {
    labelled.setAttribute("role", labelled.getAttribute("role") ?? "group");
    labelled.setAttribute("aria-labelledby", label.id);
  }
  const head = element("div", { className: "head" }, label, ...(made.beside ? [made.beside] : []));
  const field = element("div", { className: "field" }, head, made.element, ...(shape.hint ? [hint] : []));
  field.dataset.name = name;
  const read = () => {
    const value = made.read();
    return !required && JSON.stringify(value) === JSON.stringify(shape.default) ? undefined : value;
  };
  return { element: field, read, write: made.write, first: isFirst(shape, schema) };
}

/** What a schema says, whether it has alternatives or not. */
function shapeOf(name, schema, required) {
  const [one, ...others] = schema.anyOf ?? [schema];
  const several = others.some((each) => each.type === "array");
  const telling = name.length > 2 || !schema.description; // `n` says less than "How many"
  return { ...one, name, required, several, default: schema.default,
    label: words(telling ? name : schema.description), hint: telling ? sentence(schema.description) : "",
    initial: schema["x-example"] ?? schema.default, content: schema["x-content"],
    columns: schema["x-columns"], multiplies: schema["x-multiplies"] };
}

function kindOf(shape, { contents }) {
  if (shape.content) {
    const kinds = Object.values(contents[shape.content].files);
    if (kinds.some((kind) => kind.startsWith("text/"))) return longText;
    return shape.columns ? latent : upload;
  }
  if (shape.name === "seed") return seed;
  if (shape.enum) return choice;
  if (shape.type === "boolean") return truth;
  if (shape.type === "integer" || shape.type === "number") return numberKind(shape);
  return shape.type === "string" ? word : structure;
}

function numberKind(shape) {
  if (Array.isArray(shape.default)) return numbers;
  const range = shape.maximum - (shape.minimum ?? shape.exclusiveMinimum);
  const unset = !shape.required && shape.initial === undefined; // a slider always stands somewhere
  if (shape.multiplies || unset || Number.isNaN(range)) return number;
  if (shape.type === "integer") return range < BUTTONS ? buttons : range <= NOTCHES ? slider : number;
  return range <= WIDE ? slider : number;
}

/** What one sets first; the others lie under "More options". */
function isFirst(shape, schema) {
  return shape.required || schema["x-example"] !== undefined || schema["x-multiplies"] !== undefined
    || (shape.name === "truncation") || shape.name === "seed";
}

const sentence = (text = "") => (text ? `${text[0].toUpperCase()}${text.slice(1)}.` : "");

// --- kinds ---

function latent(shape, { changed }) {
  return latents({ columns: shape.columns, required: shape.required, changed });
}

function upload(shape, context) {
  const { changed, failed } = context;
  return uploads({ name: shape.name, label: shape.label.toLowerCase(), required: shape.required,
    files: context.contents[shape.content].files, draw: context.draw(shape.content), changed, failed });
}

function seed(shape, { changed }) {
  const input = field(shape, { type: "number", min: shape.minimum, max: shape.maximum, step: 1 });
  const draw = () => { input.value = Math.floor(Math.random() * SEEDS); };
  draw();
  const button = element("button", { type: "button" }, "New");
  button.setAttribute("aria-label", "New seed");
  button.addEventListener("click", () => { draw(); changed(); });
  return { element: element("span", { className: "joined" }, input, button), labels: input,
    read: () => numeric(input, shape), write: (value) => { input.value = value; } };
}

function number(shape) {
  const step = shape.type === "integer" ? 1 : "any";
  const input = field(shape, { type: "number", step, min: shape.minimum ?? shape.exclusiveMinimum,
    max: shape.maximum });
  input.value = shape.initial ?? "";
  input.placeholder = shape.initial === undefined ? "none" : "";
  return { element: input, labels: input, read: () => numeric(input, shape) };
}

function slider(shape) {
  const low = shape.minimum ?? shape.exclusiveMinimum;
  const whole = shape.type === "integer";
  const step = whole ? 1 : (shape.maximum - low) / 100;
  const input = field(shape, { type: "range", step, min: shape.minimum ?? low + step, max: shape.maximum });
  input.value = shape.initial ?? low;
  const output = element("output", { for: input.id }, String(input.valueAsNumber));
  input.addEventListener("input", () => { output.textContent = String(read()); });
  const read = () => Number(input.valueAsNumber.toFixed(whole ? 0 : 4));
  return { element: input, labels: input, beside: output, read };
}

function buttons(shape, { several }) {
  const many = shape.several && several;
  const name = newId();
  const inputs = Array.from({ length: shape.maximum - shape.minimum + 1 }, (_, index) => {
    const value = shape.minimum + index;
    const input = element("input", { type: many ? "checkbox" : "radio", name, value });
    input.checked = value === (shape.initial ?? shape.minimum);
    return input;
  });
  const labels = inputs.map((input) => element("label", {}, input, element("span", {}, input.value)));
  const group = element("div", { className: "choices" }, ...labels);
  if (!many) group.setAttribute("role", "radiogroup");
  return { element: group, beside: many ? everything(inputs, group) : undefined, read };

  function read() {
    const chosen = inputs.filter((input) => input.checked).map((input) => Number(input.value));
    if (!chosen.length) throw new Refusal(`Choose at least one of ${shape.label.toLowerCase()}.`);
    if (chosen.length === 1) return chosen[0];
    // One for each of what is made: the chosen ones in turn.
    return Array.from({ length: several() }, (_, index) => chosen[index % chosen.length]);
  }
}

function everything(inputs, group) {
  const button = element("button", { type: "button", className: "plain" }, "All");
  button.addEventListener("click", () => {
    const all = inputs.every((input) => input.checked);
    inputs.forEach((input, index) => { input.checked = !all || index === 0; });
    group.dispatchEvent(new Event("input", { bubbles: true }));
  });
  return button;
}

function choice(shape) {
  const options = shape.enum.map((value) => element("option", { value }, value));
  const select = element("select", { id: newId() }, ...options);
  if (shape.initial === undefined) select.prepend(element("option", { value: "", selected: true }, "none"));
  else select.value = shape.initial;
  return { element: select, labels: select, read: () => select.value || undefined };
}

function truth(shape) {
  const input = field(shape, { type: "checkbox" });
  input.checked = Boolean(shape.initial);
  return { element: input, labels: input, read: () => input.checked };
}

function longText(shape) {
  const area = element("textarea", { id: newId(), rows: 4, spellcheck: false });
  area.value = shape.initial ?? "";
  return { element: area, labels: area, read: () => {
    if (shape.required && !area.value) throw new Refusal(`${shape.label} is empty; write something.`);
    return area.value;
  } };
}

function word(shape) {
  const input = field(shape, { type: "text", spellcheck: false });
  input.value = typeof shape.initial === "string" ? shape.initial : "";
  return { element: input, labels: input, read: () => input.value || undefined };
}

function numbers(shape) {
  const input = field(shape, { type: "text", inputMode: "decimal" });
  input.value = shape.initial.join(", ");
  return { element: input, labels: input, read: () => {
    const found = input.value.split(/[\s,]+/).filter(Boolean).map(Number);
    if (!found.length || found.some(Number.isNaN)) throw new Refusal(`${shape.label} are numbers, parted by commas.`);
    return found;
  } };
}

/** Objects, and whatever else has no control of its own: as JSON. */
function structure(shape) {
  const area = element("textarea", { id: newId(), rows: 2, spellcheck: false, placeholder: "JSON" });
  return { element: area, labels: area, read: () => {
    if (!area.value.trim()) return undefined;
    try {
      return JSON.parse(area.value);
    } catch {
      throw new Refusal(`${shape.label} is no JSON.`);
    }
  } };
}

// --- helpers ---

function field(shape, properties) {
  return element("input", { id: newId(), autocomplete: "off", ...properties });
}

function numeric(input, shape) {
  if (input.value === "" && !input.validity.badInput) {
    if (shape.required) throw new Refusal(`${shape.label} is empty; give a number.`);
    return undefined;
  }
  if (!input.checkValidity()) throw new Refusal(`${shape.label}: ${input.validationMessage}`);
  return input.valueAsNumber;
}
