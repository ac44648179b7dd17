// Tables that can be sorted by a column and filtered by words.

const rowsOf = (body) => [...body.rows].filter((row) => !row.classList.contains("heading"));

const keyOf = (row, column) => {
  const cell = row.cells[column];
  const number = Number.parseFloat(cell.dataset.sort);
  return { number: Number.isNaN(number) ? null : number, text: cell.textContent.trim() };
};

// Numbers by size; what has no number comes last, by its text.
const compare = (a, b) => {
  if (a.number !== null && b.number !== null) return a.number - b.number;
  if (a.number !== null) return -1;
  if (b.number !== null) return 1;
  return a.text.localeCompare(b.text, "en", { numeric: true });
};

// Rows are sorted within their group: a group is a model.
const sortBy = (table, column, direction) => {
  for (const body of table.tBodies) {
    body.append(...rowsOf(body).sort((a, b) => direction * compare(keyOf(a, column), keyOf(b, column))));
  }
};

const setUpSorting = (table) => {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    if (head.tagName !== "TH") return;
    const button = make("button", { type: "button" });
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

// Every word must occur in the row. A group without a row that is left loses its heading.
const filter = (table, wanted) => {
  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  let left = 0;
  for (const body of table.tBodies) {
    const shown = rowsOf(body).filter((row) => {
      const text = row.textContent.toLowerCase().replaceAll("\u00a0", " ");
      row.hidden = !words.every((word) => text.includes(word));
      return !row.hidden;
    });
    body.hidden = shown.length === 0;
    left += shown.length;
  }
  return left;
};

const setUpFilter = (figure, table, count) => {
  const label = make("label", { className: "filter" });
  label.append("Rows with ");
  const input = make("input", { type: "search", placeholder: "any words" }, label);
  input.setAttribute("list", `${figure.id}-names`);
  const names = make("datalist", { id: `${figure.id}-names` }, label);
  const firsts = [...table.querySelectorAll("tbody th[scope=row]")].map((cell) => cell.firstChild.textContent.trim());
  new Set(firsts).forEach((value) => make("option", { value }, names));
  const status = make("span", { className: "count" }, label);
  status.setAttribute("role", "status");
  input.addEventListener("input", () => {
    const left = filter(table, input.value);
    status.textContent = left < count ? `${left} of ${count}` : "";
  });
  figure.querySelector(".scroll").before(label);
};

const setUpTable = (figure) => {
  const table = figure.querySelector("table");
  const count = [...table.tBodies].reduce((sum, body) => sum + rowsOf(body).length, 0);
  const listsProperties = table.tHead.rows[0].cells[0].tagName !== "TH";
  if (count > 3 && !listsProperties) setUpSorting(table);
  if (count > 8 && !listsProperties) setUpFilter(figure, table, count);
};
