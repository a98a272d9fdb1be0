"use strict";
// The moving parts of an evaluation's page: tables that sort, the slider between two pictures, best and worst, every picture's scores.
const data = JSON.parse(document.getElementById("data").textContent);
const find = (selector) => document.querySelector(selector);
const PAGE = 20;
const EXTREMES = 6;
// What is shown, and what is asked of the tables.
const state = { method: data.main, metric: data.headline, place: 0, left: data.against ?? "truth", right: data.main, against: data.against, rows: PAGE, sort: null, falling: true, missed: false };
const titles = Object.fromEntries(data.methods.map((method) => [method.name, method.title]));

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

function number(value, digits) {
  return value === null || value === undefined ? "–" : value.toFixed(digits).replace("-", "−");
}

function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 0.9995) return `${(1000 * seconds).toFixed(seconds >= 0.00995 ? 0 : 1)} ms`;
  if (seconds < 89.5) return `${seconds.toFixed(seconds >= 9.95 ? 0 : 1)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min${whole % 60 ? ` ${whole % 60} s` : ""}`;
}

const degrees = (value) => (value === null || value === undefined ? "–" : `${number(value, 0)}°`);

function metricPlace(name) {
  return data.metrics.findIndex((metric) => metric.name === name);
}

function score(entry, method, metric) {
  const answer = entry.answers[method];
  const value = answer ? answer.scores[metricPlace(metric)] : null;
  return value === undefined ? null : value;
}

function pictureOf(entry, layer) {
  if (layer === "input" || layer === "truth") return entry[layer];
  if (layer === "depth:truth") return entry.true_depth;
  const [kind, name] = parsed(layer);
  return entry.answers[name] ? entry.answers[name][kind] : null;
}

const has = (entry, layer) => pictureOf(entry, layer) !== null && pictureOf(entry, layer) !== undefined;

function parsed(layer) {
  const [kind, name] = layer.includes(":") ? layer.split(":") : ["prediction", layer];
  return [kind, name];
}

function layerTitle(layer) {
  if (layer === "input") return "given";
  if (layer === "truth") return "truth";
  const [kind, name] = parsed(layer);
  const title = titles[name] ?? name;
  return kind === "prediction" ? title : kind === "error" ? `error of ${title}` : `depth: ${title}`;
}

function show(image, place, title) {
  if (place === null || place === undefined) {
    image.removeAttribute("src");
    image.alt = `no picture: ${title}`;
  } else {
    if (image.src !== data.pictures[place]) image.src = data.pictures[place];
    image.alt = title;
  }
}

function thumbnail(entry, layer) {
  const image = element("img", { class: "thumb", decoding: "async" });
  show(image, pictureOf(entry, layer), layerTitle(layer));
  return image;
}

const nameOf = (entry) => (data.cases.some((other) => other.view !== 0) ? `${entry.item}, view ${entry.view}` : entry.item);

// Tables that are in the page already

function sortTable(table, column, falling) {
  const value = (row) => {
    const cell = row.cells[column];
    const given = cell.dataset.value ?? cell.textContent.trim();
    return given === "–" || given === "" ? null : Number.isNaN(Number(given)) ? given : Number(given);
  };
  const compare = (one, other) => {
    const [a, b] = [value(one), value(other)];
    if (a === null || b === null) return (a === null) - (b === null);
    const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
    return falling ? -order : order;
  };
  table.tBodies[0].append(...[...table.tBodies[0].rows].sort(compare));
}

function markSorted(head, column, falling) {
  [...head.cells].forEach((cell, place) => {
    if (place === column) cell.setAttribute("aria-sort", falling ? "descending" : "ascending");
    else cell.removeAttribute("aria-sort");
  });
}

function makeSortable(table) {
  const head = table.tHead.rows[0];
  [...head.cells].forEach((cell, column) => {
    const button = element("button", { type: "button" }, ...cell.childNodes);
    button.addEventListener("click", () => {
      const falling = cell.getAttribute("aria-sort") !== "descending";
      sortTable(table, column, falling);
      markSorted(head, column, falling);
    });
    cell.append(button);
  });
}

// Two pictures, one above the other, cut where the slider is

function cut(percent) {
  const bounded = Math.min(100, Math.max(0, percent));
  find("#stage").style.setProperty("--cut", `${bounded}%`);
  find("#cut").value = bounded;
}

function choices(select, layers, chosen) {
  select.replaceChildren(...layers.map((layer) => element("option", { value: layer, selected: layer === chosen }, layerTitle(layer))));
}

function availableColumns(entry) {
  const answers = data.methods.map((method) => method.name);
  const columns = [["input"], ["truth", "error:truth", "depth:truth"], ...answers.map((name) => [name, `error:${name}`, `depth:${name}`])];
  const anywhere = (layer) => data.cases.some((other) => has(other, layer));
  const rows = [0, 1, 2].filter((row) => columns.some((column) => column[row] && anywhere(column[row])));
  const isAsked = (column) => column[0] === "input" || column[0] === "truth" || entry.answers[column[0]];
  return columns.filter((column) => isAsked(column) && anywhere(column[0])).map((column) => rows.map((row) => (column[row] && anywhere(column[row]) ? column[row] : null)));
}

function drawCase() {
  const entry = data.cases[state.place];
  const columns = availableColumns(entry);
  const layers = columns.flat().filter((layer) => layer);
  for (const side of ["left", "right"]) {
    if (!layers.includes(state[side])) state[side] = layers.find((layer) => layer !== state[side === "left" ? "right" : "left"]) ?? layers[0];
    choices(find(`#${side}`), layers, state[side]);
    if (state[side]) show(find(`#${side}-picture`), pictureOf(entry, state[side]), layerTitle(state[side]));
    find(`#${side}-name`).textContent = state[side] ? layerTitle(state[side]) : "";
  }
  find("#case").replaceChildren(...data.cases.map((other, place) => element("option", { value: place, selected: place === state.place }, nameOf(other))));
  const told = [];
  if (entry.given_yaw_deg !== null && entry.given_yaw_deg !== undefined) told.push(`given from ${degrees(entry.given_yaw_deg)}`);
  if (entry.yaw_deg !== null && entry.yaw_deg !== undefined) told.push(`seen from ${degrees(entry.yaw_deg)}`);
  if (entry.gap_deg) told.push(`yaw gap ${degrees(entry.gap_deg)}`);
  if (entry.group) told.push(entry.group);
  if (entry.face_found === false) told.push("no face found");
  if (entry.note) told.push(entry.note);
  find("#told").textContent = told.join(" · ");
  find("#strip").replaceChildren(...columns.map((column) => stripColumn(entry, column)));
  find("#case-scores").replaceChildren(caseScores(entry));
}

function stripColumn(entry, column) {
  return element("div", {}, element("span", {}, layerTitle(column[0])), ...column.map((layer) => (layer ? stripItem(entry, layer) : element("i", { class: "thumb empty" }))));
}

function stripItem(entry, layer) {
  const pick = () => {
    state.right = layer;
    drawCase();
  };
  if (!has(entry, layer)) return element("i", { class: "thumb empty", title: `no picture: ${layerTitle(layer)}` });
  const told = { type: "button", title: layerTitle(layer), "aria-pressed": String(layer === state.right), onclick: pick };
  return element("button", told, thumbnail(entry, layer));
}

function caseScores(entry) {
  const methods = data.methods.filter((method) => entry.answers[method.name]);
  const head = element("tr", {}, element("th", {}, "this picture"), ...methods.map((method) => element("th", {}, method.title)));
  const rows = data.metrics.map((metric) => {
    const values = methods.map((method) => score(entry, method.name, metric.name));
    const known = values.filter((value) => value !== null);
    const best = known.length > 1 ? Math[metric.more_is_better ? "max" : "min"](...known) : null;
    const cells = values.map((value) => element("td", { class: value !== null && value === best ? "best" : null }, number(value, metric.digits)));
    return element("tr", {}, element("td", {}, metric.label), ...cells);
  });
  return element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows));
}

function open(entry, scroll = true) {
  state.place = data.cases.indexOf(entry);
  drawCase();
  if (scroll) find("#look").scrollIntoView({ behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
}

// Best and worst: new views, where there are any
const HAS_NEW_VIEWS = data.cases.some((entry) => entry.gap_deg);

// What the cases are ranked by: a score, or how far it is from that of another method on the same picture.
function merit(entry) {
  const own = score(entry, state.method, state.metric);
  if (!state.against || state.against === state.method) return own;
  const other = score(entry, state.against, state.metric);
  return own === null || other === null ? null : own - other;
}

function drawExtremes() {
  const metric = data.metrics[metricPlace(state.metric)];
  if (!metric) return;
  const known = data.cases.filter((entry) => merit(entry) !== null && !(HAS_NEW_VIEWS && entry.gap_deg === 0));
  known.sort((one, other) => merit(one) - merit(other));
  if (metric.more_is_better) known.reverse();
  const count = Math.min(EXTREMES, Math.floor(known.length / 2) || known.length);
  find("#best").replaceChildren(...known.slice(0, count).map((entry) => card(entry, metric)));
  find("#worst").replaceChildren(...known.slice(-count).reverse().map((entry) => card(entry, metric)));
}

function card(entry, metric) {
  const isPaired = state.against && state.against !== state.method;
  const layers = ["input", "truth", state.method, isPaired ? state.against : `error:${state.method}`].filter((layer) => has(entry, layer));
  const pictures = layers.map((layer) => element("span", {}, thumbnail(entry, layer), element("small", {}, layer.startsWith("error:") ? "error" : layerTitle(layer))));
  const value = `${isPaired && merit(entry) > 0 ? "+" : ""}${number(merit(entry), metric.digits)} ${metric.unit}`.trim();
  const text = element("span", { class: "told" }, element("b", {}, value), element("small", {}, nameOf(entry) + (entry.gap_deg ? `, gap ${degrees(entry.gap_deg)}` : "")));
  return element("button", { type: "button", class: "case", onclick: () => lookAt(entry, isPaired) }, element("span", { class: "four" }, ...pictures), text);
}

function lookAt(entry, isPaired) {
  state.right = state.method;
  if (isPaired) state.left = state.against;
  open(entry);
}

// Every picture

const COLUMNS = [
  { title: "picture", value: (entry) => entry.item, cell: (entry) => element("td", {}, nameOf(entry), entry.note ? element("small", { class: "long" }, entry.note) : null) },
  { title: "given", layer: () => "input" },
  { title: "truth", layer: () => "truth" },
  { title: "answer", layer: () => state.method },
  { title: "error", layer: () => `error:${state.method}` },
  { title: "group", textual: true, value: (entry) => entry.group },
  { title: "yaw gap", value: (entry) => entry.gap_deg, text: (entry) => degrees(entry.gap_deg) },
];

function tableColumns() {
  const isFilled = (column) => data.cases.some((entry) => {
    const value = column.layer ? pictureOf(entry, column.layer()) : column.value(entry);
    return value !== null && value !== undefined && value !== "";
  });
  const measured = data.metrics.map((metric) => ({
    title: metric.label, name: metric.name, value: (entry) => score(entry, state.method, metric.name), text: (entry) => number(score(entry, state.method, metric.name), metric.digits),
  }));
  const seconds = { title: "seconds", value: (entry) => entry.answers[state.method]?.seconds, text: (entry) => duration(entry.answers[state.method]?.seconds) };
  return [...COLUMNS, ...measured, seconds].filter(isFilled);
}

function sorted(entries, column) {
  if (!column) return entries;
  return [...entries].sort((one, other) => {
    const [a, b] = [column.value(one) ?? null, column.value(other) ?? null];
    if (a === null || b === null) return (a === null) - (b === null);
    const order = typeof a === "number" ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true });
    return state.falling ? -order : order;
  });
}

function drawTable() {
  const columns = tableColumns();
  const column = columns.find((other) => other.title === state.sort);
  const asked = data.cases.filter((entry) => entry.answers[state.method] && !(state.missed && entry.face_found !== false));
  const entries = sorted(asked, column);
  const head = element("tr", {}, ...columns.map((other) => headCell(other)));
  const rows = entries.slice(0, state.rows).map((entry) => tableRow(entry, columns));
  find("#pictures-table").replaceChildren(element("thead", {}, head), element("tbody", {}, ...rows));
  const more = entries.length - rows.length;
  find("#more").hidden = more <= 0;
  find("#more").textContent = `Show ${more} more`;
}

function headCell(column) {
  const style = column.textual || column.layer ? "text" : null;
  if (column.layer) return element("th", { class: style }, column.title);
  const here = column.title === state.sort;
  const sort = () => {
    state.falling = here ? !state.falling : true;
    state.sort = column.title;
    drawTable();
  };
  return element("th", { class: style, "aria-sort": here ? (state.falling ? "descending" : "ascending") : null }, element("button", { type: "button", onclick: sort }, column.title));
}

function tableRow(entry, columns) {
  const cells = columns.map((column) => {
    if (column.cell) return column.cell(entry);
    if (column.layer) return element("td", { class: "text" }, !has(entry, column.layer()) ? "–" : thumbnail(entry, column.layer()));
    return element("td", { class: column.textual ? "text" : null }, column.text ? column.text(entry) : column.value(entry) ?? "–");
  });
  return element("tr", { tabindex: 0, title: "show it above", onclick: () => open(entry), onkeydown: (event) => { if (event.key === "Enter") open(entry); } }, ...cells);
}

function setMethod(name) {
  state.method = name;
  for (const select of document.querySelectorAll("select.method")) select.value = name;
  drawExtremes();
  drawTable();
}

function start() {
  document.querySelectorAll("table.sortable").forEach(makeSortable);
  if (!data.cases.length) return;
  for (const select of document.querySelectorAll("select.method")) {
    select.replaceChildren(...data.methods.map((method) => element("option", { value: method.name, selected: method.name === state.method }, method.title)));
    select.addEventListener("change", () => setMethod(select.value));
  }
  find("#metric").replaceChildren(...data.metrics.map((metric) => element("option", { value: metric.name, selected: metric.name === state.metric }, metric.title)));
  find("#metric").addEventListener("change", (event) => { state.metric = event.target.value; drawExtremes(); });
  const others = data.methods.map((method) => element("option", { value: method.name, selected: method.name === state.against }, method.title));
  find("#against").replaceChildren(element("option", { value: "" }, "nobody"), ...others);
  find("#against").addEventListener("change", (event) => { state.against = event.target.value; drawExtremes(); });
  for (const side of ["left", "right"]) find(`#${side}`).addEventListener("change", (event) => { state[side] = event.target.value; drawCase(); });
  find("#case").addEventListener("change", (event) => { state.place = Number(event.target.value); drawCase(); });
  find("#before").addEventListener("click", () => step(-1));
  find("#after").addEventListener("click", () => step(1));
  find("#cut").addEventListener("input", (event) => cut(Number(event.target.value)));
  find("#more").addEventListener("click", () => { state.rows = Infinity; drawTable(); });
  const missed = find("#missed");
  if (missed) missed.addEventListener("change", () => { state.missed = missed.checked; drawTable(); });
  dragging(find("#stage"));
  state.place = Math.max(0, data.cases.findIndex((entry) => entry.gap_deg && entry.answers[state.method]));
  cut(50);
  drawCase();
  drawExtremes();
  drawTable();
}

function step(by) {
  state.place = (state.place + by + data.cases.length) % data.cases.length;
  drawCase();
}

function dragging(stage) {
  const follow = (event) => {
    const box = stage.getBoundingClientRect();
    cut((100 * (event.clientX - box.left)) / box.width);
  };
  stage.addEventListener("pointerdown", (event) => { stage.setPointerCapture(event.pointerId); follow(event); });
  stage.addEventListener("pointermove", (event) => { if (stage.hasPointerCapture(event.pointerId)) follow(event); });
}

start();
