// Saves the files inside the page: gzipped ones unpacked, figures as SVG files that need no page around them.

const save = (blob, name) => {
  const url = URL.createObjectURL(blob);
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
};

const unpacked = (uri) => {
  const bytes = Uint8Array.from(atob(uri.slice(uri.indexOf(",") + 1)), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).blob();
};

const setUpPacked = (link) => {
  if (!("DecompressionStream" in window)) return;
  link.addEventListener("click", async (event) => {
    event.preventDefault();
    save(await unpacked(link.href), link.dataset.plain);
  });
};

// The figure with the faces and looks that it has from the page.
const standalone = (svg) => {
  const copied = svg.cloneNode(true);
  const faces = document.querySelector("style").textContent.match(/@font-face\{.*?\}/g) || [];
  const looks = document.getElementById("figure-styles").textContent;
  const style = document.createElementNS(svg.namespaceURI, "style");
  style.textContent = `${faces.filter((face) => !face.includes("Mono")).join("\n")}${looks}`;
  copied.prepend(style);
  copied.setAttribute("xmlns", svg.namespaceURI);
  return new XMLSerializer().serializeToString(copied);
};

const setUpFigure = (figure) => {
  const data = figure.querySelector(".files a");
  const link = make("a", { href: `#${figure.id}`, textContent: "SVG" });
  link.setAttribute("aria-label", data.getAttribute("aria-label").replace("Data of", "Save").replace("CSV", "SVG"));
  const name = (data.dataset.plain || data.download).replace(/csv$/, "svg");
  link.addEventListener("click", (event) => {
    event.preventDefault();
    save(new Blob([standalone(figure.querySelector("svg"))], { type: "image/svg+xml" }), name);
  });
  data.after(" ", link);
};
