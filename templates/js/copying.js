// Copies listings, BibTeX, and the address of what a permalink belongs to.

const copy = async (text, button, done) => {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = done;
  } catch {
    button.textContent = "Not copied";
  }
  setTimeout(() => { button.textContent = before; }, 2000);
};

const setUpListing = (pre) => {
  const name = pre.id === "bibtex" ? "Copy BibTeX" : "Copy";
  makeButton(name, pre.parentElement, (button) => {
    window.getSelection().selectAllChildren(pre);
    copy(pre.textContent, button, "Copied");
  });
};
