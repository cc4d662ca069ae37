
// Gives every command a button that copies it. The pages are whole without it.
if (navigator.clipboard) {
  for (const pre of document.querySelectorAll(".command pre")) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(pre.textContent);
        button.textContent = "Copied";
      } catch {
        button.textContent = "Select it";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
    pre.before(button);
  }
}
