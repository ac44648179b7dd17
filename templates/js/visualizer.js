// Which weights of a small matrix magnitude, Wanda and N:M keep. The rules are those of sparsity_report/selection.py.

// Scores are float32, as the program computes them: otherwise ties would fall differently.
const scoresOf = (weights, norms) =>
  weights.map((row) => row.map((weight, column) => Math.fround(Math.abs(weight) * Math.fround(norms[column]))));

// Positions of the `count` smallest scores; of equal ones the earlier goes first.
const smallest = (scores, count) =>
  new Set(scores.map((_, place) => place).sort((a, b) => scores[a] - scores[b] || a - b).slice(0, count));

const keepOfMatrix = (scores, count) => {
  const columns = scores[0].length;
  const gone = smallest(scores.flat(), count);
  return scores.map((row, number) => row.map((_, column) => !gone.has(number * columns + column)));
};

// Every row gives as many, the first rows one more where they do not divide evenly.
const keepOfRows = (scores, count) => scores.map((row, number) => {
  const own = Math.floor(count / scores.length) + (number < count % scores.length ? 1 : 0);
  const gone = smallest(row, own);
  return row.map((_, column) => !gone.has(column));
});

// N of every M neighbours in a row stay; of a shorter last group of r, N·r/M rounded up.
const keepOfGroups = (scores, [n, m]) => scores.map((row) => {
  const keep = [];
  for (let start = 0; start < row.length; start += m) {
    const group = row.slice(start, start + m);
    const gone = smallest(group, group.length - Math.ceil(n * group.length / m));
    keep.push(...group.map((_, place) => !gone.has(place)));
  }
  return keep;
});

const choices = ({ weights, norms, percent, pattern }) => {
  const magnitude = scoresOf(weights, norms.map(() => 1));
  const wanda = scoresOf(weights, norms);
  const count = Math.floor(weights.flat().length * percent / 100);
  const groups = pattern.split(":").map(Number);
  return [
    { criterion: "dense", title: "Dense", keep: keepOfMatrix(magnitude, 0) },
    { criterion: "magnitude", title: `Magnitude, ${percent} %`, keep: keepOfMatrix(magnitude, count) },
    { criterion: "wanda", title: `Wanda, ${percent} %`, keep: keepOfRows(wanda, count) },
    { criterion: "magnitude-nm", title: `Magnitude, ${pattern}`, keep: keepOfGroups(magnitude, groups), edge: groups[1] },
    { criterion: "wanda-nm", title: `Wanda, ${pattern}`, keep: keepOfGroups(wanda, groups), edge: groups[1] },
  ];
};

// ‖(W − Ŵ)·diag(norms)‖, Frobenius.
const errorOf = ({ weights, norms }, keep) => Math.hypot(
  ...weights.flatMap((row, number) => row.map((weight, column) => keep[number][column] ? 0 : weight * norms[column])),
);

const inWords = (setting, found) => {
  const [, magnitude, wanda, magnitudeNm, wandaNm] = found;
  const removed = magnitude.keep.flat().filter((kept) => !kept).length;
  const both = magnitude.keep.flat().filter((kept, place) => !kept && !wanda.keep.flat()[place]).length;
  return `At ${setting.percent} % magnitude and Wanda remove ${removed} weights each, ${both} of them the same; `
    + `the output error is ${magnitude.share} % with magnitude and ${wanda.share} % with Wanda, `
    + `and at ${setting.pattern} ${magnitudeNm.share} % and ${wandaNm.share} %.`;
};

const signed = (value, decimals) => value.toFixed(decimals).replace(/^-(?=0(?:\.0*)?$)/, "").replace("-", "−");

const tableOf = (preset, setting, choice) => {
  const table = make("table");
  const caption = make("caption", {}, table);
  make("b", { textContent: choice.title }, caption);
  caption.append(" ", make("span", { textContent: choice.caption }));
  const head = make("tr", {}, make("thead", {}, table));
  make("th", { scope: "row", textContent: "norm" }, head);
  setting.norms.forEach((norm) => make("th", { scope: "col", textContent: Number(norm.toPrecision(2)) }, head));
  const body = make("tbody", {}, table);
  preset.weights.forEach((row, number) => {
    const line = make("tr", {}, body);
    make("th", { scope: "row", textContent: number + 1 }, line);
    row.forEach((weight, column) => {
      const kept = choice.keep[number][column];
      const cell = make("td", { className: kept ? "kept" : "gone" }, line);
      if (choice.edge && column && column % choice.edge === 0) cell.classList.add("edge");
      if (!kept) make("span", { className: "unseen", textContent: "removed " }, cell);
      make(kept ? "span" : "s", { textContent: signed(weight / 10 ** preset.exponent, preset.decimals) }, cell);
    });
  });
  return table;
};

const setUpVisualizer = (section) => {
  const presets = JSON.parse(document.getElementById("presets").textContent);
  const form = section.querySelector("form");
  const { preset: chosen, sparsity, percent, pattern, shown, ones, again } = form.elements;
  const inputs = section.querySelector(".inputs");
  const preset = () => presets[chosen.value];

  const show = () => {
    const norms = [...inputs.querySelectorAll("input")].map((input) => Math.max(0, input.valueAsNumber || 0));
    const setting = { weights: preset().weights, norms, percent: sparsity.valueAsNumber, pattern: pattern.value };
    const whole = errorOf(setting, setting.weights.map((row) => row.map(() => false)));
    const found = choices(setting).map((choice) => {
      const error = errorOf(setting, choice.keep);
      const share = (whole ? 100 * error / whole : 0).toFixed(1);
      const kept = choice.keep.flat().filter(Boolean).length;
      const caption = `${kept} of ${choice.keep.flat().length} kept, output error ${Number(error.toPrecision(3))} (${share} %)`;
      return { ...choice, share, caption };
    });
    const wanted = new Set([...shown].filter((box) => box.checked).map((box) => box.value));
    found.forEach((choice) => {
      const panel = document.getElementById(`panel-${choice.criterion}`);
      panel.hidden = !wanted.has(choice.criterion);
      panel.replaceChildren(tableOf(preset(), setting, choice));
    });
    section.classList.toggle("many", norms.length > 8);
    section.querySelector(".verdict").textContent = inWords(setting, found);
    percent.value = `${setting.percent} %`;
  };

  const setNorms = (norms) => {
    inputs.replaceChildren(...norms.map((norm, column) => {
      const label = make("label", { textContent: `${column + 1} ` });
      const value = Number(norm.toPrecision(4));
      make("input", { type: "number", min: 0, step: "any", value, ariaLabel: `Norm of input ${column + 1}` }, label);
      return label;
    }));
    show();
  };
  const choose = () => {
    section.querySelector(".about").textContent = preset().note;
    setNorms(preset().norms);
  };

  chosen.addEventListener("change", choose);
  [sparsity, pattern, inputs, ...shown].forEach((control) => control.addEventListener("input", show));
  ones.addEventListener("click", () => setNorms(preset().norms.map(() => 1)));
  again.addEventListener("click", choose);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  choose();
};
