// Makes elements.

/** Return a new element with properties, attributes (those with a hyphen, and `role`), and what it holds. */
export function element(name, properties = {}, ...inside) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes("-") || key === "role" || key === "for" || key === "list") made.setAttribute(key, value);
    else if (value !== undefined) made[key] = value;
  }
  made.append(...inside);
  return made;
}

let made = 0;
export const newId = () => `field-${(made += 1)}`;

/** Return the name of a parameter or a call as people read it: `max_new_tokens` is "Max new tokens". */
export const words = (name) => {
  const spaced = name.replaceAll("_", " ");
  return spaced[0].toUpperCase() + spaced.slice(1);
};
