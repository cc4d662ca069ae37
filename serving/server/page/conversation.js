// A conversation: what was said, in order, and shown as it is said.

import { element } from "./elements.js";

/** What two have said, and the place where it is shown. */
export class Conversation {
  constructor(place) {
    this.place = place;
    this.turns = [];
  }

  /** Forget what was said. */
  begin() {
    this.turns = [];
    this.place.replaceChildren(element("p", { className: "nothing" }, element("b", {}, "Nothing said yet"),
      " Write below, and press Enter."));
    this.place.setAttribute("role", "log");
  }

  /** Remember what the person says. */
  say(content) {
    if (!this.turns.length) this.place.replaceChildren();
    // An answer that never came leaves its question out: roles take turns.
    if (this.turns.at(-1)?.role === "user") this.turns.pop();
    this.turns.push({ role: "user", content });
    this.place.append(turn("user", "You", content).element);
  }

  /** Return what was said, as a request has it. */
  asked() {
    return this.turns.length ? this.turns.map((each) => ({ ...each })) : [{ role: "user", content: "Hello" }];
  }

  /** Return where the answer is written; what is written there is remembered. */
  answered() {
    const shown = turn("assistant", "Model", "");
    const said = { role: "assistant", content: "" };
    this.turns.push(said);
    this.place.append(shown.element);
    return { write: (text) => {
      said.content += text;
      shown.write(text);
      this.place.lastElementChild.scrollIntoView({ block: "nearest" });
    } };
  }
}

function turn(role, name, text) {
  const words = element("span", {}, text);
  const made = element("article", { className: `turn ${role}` }, element("b", {}, name), words);
  return { element: made, write: (more) => words.append(more) };
}
