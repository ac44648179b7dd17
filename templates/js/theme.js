// Light or dark: as the system has it, until the reader chooses.

// Storage is refused for some local files; the theme then lasts as long as the page.
const stored = (action) => { try { return action(window.localStorage); } catch { return null; } };

const setUpTheme = (place) => {
  const root = document.documentElement;
  const systemIsDark = window.matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme || (systemIsDark.matches ? "dark" : "light")) === "dark";
  const chosen = stored((storage) => storage.getItem("theme"));
  if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;

  const button = makeButton("", place, () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    stored((storage) => storage.setItem("theme", root.dataset.theme));
    show();
  });
  const show = () => { button.textContent = isDark() ? "Light page" : "Dark page"; };
  systemIsDark.addEventListener("change", show);
  show();
};
