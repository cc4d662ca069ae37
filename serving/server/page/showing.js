// Shows what was made: pictures and texts as they are, all else by its picture, its words, its files.

import { element, newId } from "./elements.js";

const SMALL = 64; // pixels; what is smaller is shown larger, and crisp
const CELL = 136; // pixels that a small picture takes where there is room

/** Show an answer of a call: `value` in JSON, and `shown`, what stands for it where it cannot be shown. */
export function show(target, { value, shown, noun, prompt }) {
  const files = leaves(value).filter(isAddress);
  if (files.length && files.every((each) => each.startsWith("data:image/"))) {
    target.replaceChildren(...pictures(value, noun));
  } else if (!files.length && leaves(value).every((each) => typeof each === "string")) {
    target.replaceChildren(...[value].flat(Infinity).map((text) => textCard(prompt, text).element));
  } else {
    target.replaceChildren(...others(files, shown, noun));
  }
}

/** Return how many pictures, texts or files a value holds. */
export const count = (value) => Math.max(1, leaves(value).filter((each) => typeof each === "string").length);

const isAddress = (each) => typeof each === "string" && /^data:[a-z]+\/[\w.+-]+;base64,/.test(each);

function leaves(value) {
  if (Array.isArray(value)) return value.flatMap(leaves);
  if (value !== null && typeof value === "object") return Object.values(value).flatMap(leaves);
  return [value];
}

// --- pictures ---

function pictures(value, noun) {
  const rows = [value].flat(0);
  const list = Array.isArray(rows[0]) ? rows[0] : rows;
  return Array.isArray(list[0]) ? [walk(list, noun)] : [grid(list, noun)];
}

function grid(addresses, noun) {
  return tiles(addresses.map((address, index) => picture(address, `${noun} ${index + 1} of ${addresses.length}`)));
}

/** Lay pictures out in a square, or in fewer columns where there is no room. */
function tiles(pictures) {
  const made = element("div", { className: "grid" }, ...pictures);
  made.style.setProperty("--columns", Math.ceil(Math.sqrt(pictures.length)));
  return element("div", { className: "panel" }, made);
}

function picture(source, alt) {
  const made = element("img", { src: source, alt, className: "sample", decoding: "async" });
  const fit = () => {
    const small = made.naturalWidth < SMALL;
    made.classList.toggle("crisp", small);
    made.parentElement?.style.setProperty("--width", `${small ? CELL : made.naturalWidth}px`);
  };
  made.addEventListener("load", fit, { once: true });
  return made;
}

/** Rows of pictures that are paths: one place of each path at a time, and all of it below. */
function walk(rows, noun) {
  const id = newId();
  const steps = Math.max(...rows.map((row) => row.length));
  const slider = element("input", { id, type: "range", min: 1, max: steps, step: 1 });
  const output = element("output", { for: id });
  const large = rows.map((row) => picture(row[0], ""));
  const strips = rows.map((row) => element("div", { className: "strip" },
    ...row.map((address, index) => picture(address, `${noun} ${index + 1} of ${row.length}`))));
  const move = () => {
    const at = slider.valueAsNumber - 1;
    output.textContent = `${at + 1} of ${steps}`;
    rows.forEach((row, index) => {
      large[index].src = row[Math.min(at, row.length - 1)];
      large[index].alt = `${noun} ${at + 1} of the path`;
      [...strips[index].children].forEach((each, place) => each.classList.toggle("here", place === at));
    });
  };
  slider.value = Math.ceil(steps / 2);
  slider.addEventListener("input", move);
  move();
  return element("div", { className: "walk" },
    tiles(large),
    element("div", { className: "head" }, element("label", { htmlFor: id }, "Along the path"), output),
    slider,
    ...strips);
}

// --- texts ---

/** Return a card that a text is written into, after what it goes on from. */
export function textCard(prompt = "", text = "") {
  const written = element("span", {}, text);
  const card = element("article", { className: "text" }, element("span", { className: "prompt" }, prompt), written);
  return { element: card, write: (more) => written.append(more) };
}

// --- all else ---

function others(files, shown, noun) {
  const parts = [];
  if (shown?.picture) parts.push(element("img", { src: shown.picture, alt: `The ${noun}s`, className: "whole" }));
  else if (shown?.words) parts.push(element("pre", { className: "text", tabIndex: 0 }, shown.words));
  for (const [index, address] of files.entries()) {
    const kind = address.slice(5, address.indexOf(";"));
    const medium = kind.split("/")[0];
    if (medium === "audio" || medium === "video") {
      parts.push(element(medium, { src: address, controls: true, "aria-label": `${noun} ${index + 1}` }));
    }
  }
  if (!parts.length) parts.push(element("p", { className: "hint" }, "This page cannot show it; it can be saved."));
  return parts;
}
