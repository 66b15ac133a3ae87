"use strict";
const pairs = JSON.parse(document.getElementById("pairs").textContent);
const KEYS = {1: "left", 2: "right", 0: "same", 3: "both_bad"};
const place = "tuneline-review:" + pairs[0].review;
const find = (id) => document.getElementById(id);
let state = {reviewer: "", verdicts: {}};
let at = 0;

function load() {
  try {
    state = Object.assign(state, JSON.parse(localStorage.getItem(place) || "{}"));
  } catch (error) {
    warn();
  }
}
function save() {
  try {
    localStorage.setItem(place, JSON.stringify(state));
  } catch (error) {
    warn();
  }
}
function warn() {
  find("warning").hidden = false;
}
function judged() {
  return pairs.filter((pair) => state.verdicts[pair.pair]).length;
}
function show() {
  const pair = pairs[at];
  const verdict = state.verdicts[pair.pair];
  for (const name of ["prompt", "left", "right", "reference"]) find(name).textContent = pair[name];
  find("number").textContent = "Pair " + (at + 1) + " of " + pairs.length;
  find("count").textContent = judged() + " of " + pairs.length + " judged";
  find("bar").style.width = (100 * judged()) / pairs.length + "%";
  find("back").disabled = at === 0;
  find("next").disabled = at === pairs.length - 1;
  for (const button of document.querySelectorAll("[data-key]")) {
    button.setAttribute("aria-pressed", String(KEYS[button.dataset.key] === verdict));
  }
  const isDone = judged() === pairs.length;
  find("done").hidden = !isDone;
  find("download").disabled = !judged() || !state.reviewer.trim();
  find("who").hidden = Boolean(state.reviewer.trim());
}
function judge(key) {
  state.verdicts[pairs[at].pair] = KEYS[key];
  save();
  if (at < pairs.length - 1) move(1);
  else show();
}
function move(step) {
  at = Math.min(Math.max(at + step, 0), pairs.length - 1);
  show();
  window.scrollTo(0, 0);
}
function lines() {
  return pairs
    .filter((pair) => state.verdicts[pair.pair])
    .map((pair) => JSON.stringify({
      review: pair.review,
      pair: pair.pair,
      verdict: state.verdicts[pair.pair],
      reviewer: state.reviewer.trim(),
    }) + "\n")
    .join("");
}
function download() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([lines()], {type: "application/jsonl"}));
  link.download = "verdicts-" + pairs[0].review + ".jsonl";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

load();
find("reviewer").value = state.reviewer;
find("reviewer").addEventListener("input", (event) => {
  state.reviewer = event.target.value;
  save();
  show();
});
find("back").addEventListener("click", () => move(-1));
find("next").addEventListener("click", () => move(1));
find("download").addEventListener("click", download);
for (const button of document.querySelectorAll("[data-key]")) {
  button.addEventListener("click", () => judge(button.dataset.key));
}
document.addEventListener("keydown", (event) => {
  if (event.target.tagName === "INPUT" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key in KEYS) judge(event.key);
  else if (event.key === "ArrowLeft") move(-1);
  else if (event.key === "ArrowRight") move(1);
  else return;
  event.preventDefault();
});
at = Math.max(pairs.findIndex((pair) => !state.verdicts[pair.pair]), 0);
show();
