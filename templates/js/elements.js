// Conveniences only: the report is complete without these scripts. One page, one script: names are shared by its files.
"use strict";

const make = (tag, properties, parent) => {
  const element = Object.assign(document.createElement(tag), properties);
  if (parent) parent.append(element);
  return element;
};

const makeButton = (text, parent, onClick) => {
  const button = make("button", { type: "button", className: "tool", textContent: text }, parent);
  button.addEventListener("click", () => onClick(button));
  return button;
};
