// Content that is given as files.

import { element, newId } from "./elements.js";
import { Refusal } from "./asking.js";

/** A file that is sent as a `data:` address; lines to copy name it instead. */
export class GivenFile {
  constructor(name, data) {
    this.name = name;
    this.data = data;
  }

  toJSON() {
    return this.data;
  }
}

const read = (file) => new Promise((resolve, reject) => {
  const reader = new FileReader();
  reader.onload = () => resolve(reader.result);
  reader.onerror = () => reject(new Refusal(`${file.name} cannot be read.`));
  reader.readAsDataURL(file);
});

/** Return a control whose value is a file, or several.
 *
 * `files` are the types that are taken, by suffix; `draw` makes one, where the model can.
 */
export function uploads({ name, label, files, required, draw, changed, failed }) {
  const id = newId();
  let given = [];
  const input = element("input", { id, type: "file", multiple: true, className: "unseen",
    accept: [...Object.keys(files), ...Object.values(files)].join(",") });
  const preview = element("div", { className: "preview" });
  const choose = element("label", { htmlFor: id, className: "button" }, "Choose a file",
    element("span", { className: "unseen" }, ` for ${label}`));
  const buttons = element("div", { className: "buttons" }, input, choose);
  if (draw) {
    const button = element("button", { type: "button" }, "Draw one",
      element("span", { className: "unseen" }, ` for ${label}`));
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        const data = await draw();
        set([new GivenFile(`${name}${suffixOf(data)}`, data)]);
      } catch (error) {
        failed(error);
      } finally {
        button.disabled = false;
      }
    });
    buttons.append(button);
  }
  input.addEventListener("change", async () => {
    try {
      set(await Promise.all([...input.files].map(async (file) => new GivenFile(file.name, await read(file)))));
    } catch (error) {
      failed(error);
    }
  });
  show();
  return { element: element("div", { className: "group upload" }, preview, buttons), read: value };

  function value() {
    if (!given.length) {
      if (required) throw new Refusal(draw ? `Choose a file for ${label}, or draw one.` : `Choose a file for ${label}.`);
      return undefined;
    }
    return given.length === 1 ? given[0] : given;
  }

  function set(next) {
    given = next;
    show();
    changed();
  }

  function show() {
    preview.replaceChildren(...given.map((file) => {
      const link = element("a", { href: file.data, download: file.name, title: `Save ${file.name}` });
      link.append(file.data.startsWith("data:image/")
        ? element("img", { src: file.data, alt: file.name, className: "sample" })
        : file.name);
      return link;
    }));
    if (!given.length) preview.append(element("span", { className: "hint" }, "None yet"));
  }

  function suffixOf(data) {
    const kind = data.slice(5, data.indexOf(";"));
    return Object.keys(files).find((suffix) => files[suffix] === kind) ?? "";
  }
}
