// A slider for each direction of a latent.

import { element, newId } from "./elements.js";

const MOST = 3; // standard deviations
const FIRST = 8; // directions that are seen at once

const drawn = () => {
  // Box and Muller: two uniform numbers make a normal one.
  const normal = Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
  return Math.round(100 * Math.max(-MOST, Math.min(MOST, normal))) / 100;
};

/** Return a control whose value is one latent, `[[...]]`; none, where it is optional and was not touched. */
export function latents({ columns, required, changed }) {
  const values = Array.from({ length: columns }, () => (required ? drawn() : 0));
  let given = required;
  const sliders = values.map((value, index) => slider(index, value));
  const rest = sliders.slice(FIRST);
  const parts = [element("div", { className: "latents" }, ...sliders.slice(0, FIRST).map((each) => each.row))];
  if (rest.length) {
    const all = element("div", { className: "latents" }, ...rest.map((each) => each.row));
    parts.push(element("details", {}, element("summary", {}, `${rest.length} more directions`), all));
  }
  const buttons = [button("Draw", () => setAll(drawn, true)), button("Zero", () => setAll(() => 0, true))];
  if (!required) buttons.push(button("Leave out", () => setAll(() => 0, false)));
  parts.push(element("div", { className: "buttons" }, ...buttons));
  const group = element("div", { className: "group" }, ...parts);
  group.dataset.given = given;
  return { element: group, read: () => (given ? [[...values]] : undefined) };

  function slider(index, value) {
    const id = newId();
    const input = element("input", { id, type: "range", min: -MOST, max: MOST, step: 0.01 });
    input.value = value;
    const output = element("output", { for: id }, value.toFixed(2));
    input.addEventListener("input", () => {
      values[index] = Number(input.value);
      output.textContent = values[index].toFixed(2);
      mark(true);
    });
    const row = element("div", { className: "latent" },
      element("label", { htmlFor: id }, `z${index}`), input, output);
    return { row, set: (next) => {
      values[index] = next;
      input.value = next;
      output.textContent = next.toFixed(2);
    } };
  }

  function button(text, act) {
    const made = element("button", { type: "button" }, text);
    made.addEventListener("click", act);
    return made;
  }

  function setAll(next, now) {
    for (const each of sliders) each.set(next());
    mark(now);
    changed();
  }

  function mark(now) {
    given = now;
    group.dataset.given = now;
  }
}
