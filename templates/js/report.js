// Conveniences only: the report is complete without this script.
"use strict";
(() => {
  const root = document.documentElement;
  const make = (tag, properties, parent) => {
    const element = Object.assign(document.createElement(tag), properties);
    parent.append(element);
    return element;
  };

  // Storage is refused for some local files; the theme then lasts as long as the page.
  const stored = (action) => { try { return action(window.localStorage); } catch { return null; } };

  const setUpTheme = (place) => {
    const systemIsDark = window.matchMedia("(prefers-color-scheme: dark)");
    const isDark = () => (root.dataset.theme || (systemIsDark.matches ? "dark" : "light")) === "dark";
    const chosen = stored((storage) => storage.getItem("theme"));
    if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;
    const button = make("button", { type: "button", className: "tool" }, place);
    const show = () => { button.textContent = isDark() ? "Light page" : "Dark page"; };
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      stored((storage) => storage.setItem("theme", root.dataset.theme));
      show();
    });
    systemIsDark.addEventListener("change", show);
    show();
  };

  const setUpCopying = (pre) => {
    const button = make("button", { type: "button", className: "tool", textContent: "Copy" }, pre.parentElement);
    button.addEventListener("click", async () => {
      const selection = window.getSelection();
      selection.selectAllChildren(pre);
      try {
        await navigator.clipboard.writeText(pre.textContent);
        button.textContent = "Copied";
      } catch {
        button.textContent = "Selected: copy with the keyboard";
      }
    });
  };

  const keyOf = (row, column) => {
    const cell = row.cells[column];
    const number = Number.parseFloat(cell.dataset.sort);
    return { number: Number.isNaN(number) ? null : number, text: cell.textContent.trim() };
  };
  const compare = (a, b) => {
    if (a.number !== null && b.number !== null) return a.number - b.number;
    if (a.number !== null) return -1;
    if (b.number !== null) return 1;
    return a.text.localeCompare(b.text, "en", { numeric: true });
  };

  // Rows are sorted within their group: a group is a model.
  const sortBy = (table, column, direction) => {
    for (const body of table.tBodies) {
      const rows = [...body.rows].filter((row) => !row.classList.contains("heading"));
      rows.sort((a, b) => direction * compare(keyOf(a, column), keyOf(b, column)));
      body.append(...rows);
    }
  };

  const setUpSorting = (table) => {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      if (head.tagName !== "TH") return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const ascending = head.getAttribute("aria-sort") !== "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
        sortBy(table, column, ascending ? 1 : -1);
      });
    });
  };

  setUpTheme(document.querySelector(".contents") || document.body);
  document.querySelectorAll(".listing pre").forEach(setUpCopying);
  document.querySelectorAll("figure.table table").forEach((table) => {
    if (table.querySelectorAll("tbody tr").length > 3) setUpSorting(table);
  });
})();
