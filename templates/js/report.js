// Sets up what the other files describe.

setUpTheme(document.querySelector(".tools"));
document.querySelectorAll(".listing pre").forEach(setUpListing);
document.querySelectorAll("a[data-plain]").forEach(setUpPacked);
document.querySelectorAll("figure.drawing").forEach(setUpFigure);
document.querySelectorAll("figure.table").forEach(setUpTable);
document.querySelectorAll("#visualizer").forEach(setUpVisualizer);
