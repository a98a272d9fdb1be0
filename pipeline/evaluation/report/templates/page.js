"use strict";
// The page of an evaluation: sortable tables, two images with a slider, best and worst, all images.
const data = JSON.parse(document.getElementById("data").textContent);
const find = (selector) => document.querySelector(selector);
const findAll = (selector) => [...document.querySelectorAll(selector)];
const FIRST_ROWS = 20;
const EXTREMES = 6;
const titles = Object.fromEntries(data.methods.map((method) => [method.name, method.title]));
// What is shown: a case with two layers; for which method and metric the lists below are made.
const state = {
  place: 0, left: data.against ?? "reference", right: data.main,
  method: data.main, metric: data.headline, against: data.against,
  rows: FIRST_ROWS, sort: null, falling: true, missed: false,
};

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

const isKnown = (value) => value !== null && value !== undefined && value !== "";

function number(value, digits) {
  return isKnown(value) ? value.toFixed(digits).replace("-", "−") : "–";
}

const degrees = (value) => (isKnown(value) ? `${number(value, 0)}°` : "–");

function duration(seconds) {
  if (!isKnown(seconds)) return "–";
  if (seconds < 0.9995) return `${(1000 * seconds).toFixed(seconds >= 0.00995 ? 0 : 1)} ms`;
  if (seconds < 89.5) return `${seconds.toFixed(seconds >= 9.95 ? 0 : 1)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

// Unknown values last, whichever way is up.
function order(one, other, falling) {
  if (!isKnown(one) || !isKnown(other)) return isKnown(other) - isKnown(one);
  const isNumeric = typeof one === "number" && typeof other === "number";
  const rising = isNumeric ? one - other
    : String(one).localeCompare(String(other), undefined, { numeric: true });
  return falling ? -rising : rising;
}

// Layers of a case: input, reference, METHOD, error:METHOD, depth:METHOD, depth:reference

const split = (layer) => (layer.includes(":") ? layer.split(":") : ["image", layer]);

function imageOf(entry, layer) {
  const [kind, name] = split(layer);
  if (name === "input") return { image: entry.input }[kind];
  if (name === "reference") return { image: entry.reference, depth: entry.reference_depth }[kind];
  return entry.predictions[name]?.[kind];
}

const has = (entry, layer) => isKnown(imageOf(entry, layer));

function titleOf(layer) {
  const [kind, name] = split(layer);
  const title = titles[name] ?? name;
  return { image: title, error: `error of ${title}`, depth: `depth: ${title}` }[kind];
}

function show(image, entry, layer) {
  if (has(entry, layer)) {
    const source = data.images[imageOf(entry, layer)];
    if (image.src !== source) image.src = source;
    image.alt = titleOf(layer);
  } else {
    image.removeAttribute("src");
    image.alt = `no image: ${titleOf(layer)}`;
  }
}

function thumbnail(entry, layer) {
  const image = element("img", { class: "thumb", decoding: "async" });
  show(image, entry, layer);
  return image;
}

const hasViews = data.cases.some((entry) => entry.view !== 0);
const nameOf = (entry) => (hasViews ? `${entry.item}, view ${entry.view}` : entry.item);

function score(entry, method, metric) {
  const place = data.metrics.findIndex((other) => other.name === metric);
  return entry.predictions[method]?.scores[place] ?? null;
}

// Tables that are part of the page

function makeSortable(table) {
  const head = table.tHead.rows[0];
  const body = table.tBodies[0];
  const value = (row, column) => {
    const cell = row.cells[column];
    const text = cell.dataset.value ?? cell.firstChild?.textContent.trim();
    if (text === "–" || !isKnown(text)) return null;
    return Number.isNaN(Number(text)) ? text : Number(text);
  };
  [...head.cells].forEach((cell, column) => {
    const sort = () => {
      const falling = cell.getAttribute("aria-sort") !== "descending";
      body.append(...[...body.rows].sort(
        (one, other) => order(value(one, column), value(other, column), falling)));
      for (const other of head.cells) other.removeAttribute("aria-sort");
      cell.setAttribute("aria-sort", falling ? "descending" : "ascending");
    };
    cell.append(element("button", { type: "button", onclick: sort }, ...cell.childNodes));
  });
}

// Two images of a case, one above the other, cut where the slider is

function cut(percent) {
  const bounded = Math.min(100, Math.max(0, percent));
  find("#stage").style.setProperty("--cut", `${bounded}%`);
  find("#cut").value = bounded;
}

function followPointer(stage) {
  const follow = (event) => {
    const box = stage.getBoundingClientRect();
    cut((100 * (event.clientX - box.left)) / box.width);
  };
  stage.addEventListener("pointerdown", (event) => {
    stage.setPointerCapture(event.pointerId);
    follow(event);
  });
  stage.addEventListener("pointermove", (event) => {
    if (stage.hasPointerCapture(event.pointerId)) follow(event);
  });
}

function options(select, choices, chosen) {
  select.replaceChildren(...choices.map(([value, title]) => {
    const option = element("option", { value }, title);
    option.selected = value === chosen;
    return option;
  }));
}

function drawCase() {
  const entry = data.cases[state.place];
  const known = ["input", "reference", ...Object.keys(entry.predictions)];
  const layers = ["", "error:", "depth:"].flatMap((kind) => known.map((name) => kind + name))
    .filter((layer) => has(entry, layer));
  for (const side of ["left", "right"]) {
    const other = state[side === "left" ? "right" : "left"];
    if (!layers.includes(state[side])) {
      state[side] = layers.find((layer) => layer !== other) ?? layers[0] ?? "input";
    }
    options(find(`#${side}`), layers.map((layer) => [layer, titleOf(layer)]), state[side]);
    show(find(`#${side}-image`), entry, state[side]);
    find(`#${side}-name`).textContent = titleOf(state[side]);
  }
  const names = data.cases.map((other, place) => [place, nameOf(other)]);
  options(find("#case"), names, state.place);
  find("#case-facts").textContent = [
    isKnown(entry.given_yaw_deg) ? `input yaw ${degrees(entry.given_yaw_deg)}` : null,
    isKnown(entry.yaw_deg) ? `view yaw ${degrees(entry.yaw_deg)}` : null,
    entry.gap_deg ? `yaw gap ${degrees(entry.gap_deg)}` : null,
    entry.group, entry.face_found === false ? "no face found" : null, entry.note,
  ].filter(isKnown).join(" · ");
  find("#strip").replaceChildren(strip(entry, known));
  find("#case-scores").replaceChildren(caseScores(entry));
}

function strip(entry, names) {
  const isAnywhere = (layer) => data.cases.some((other) => has(other, layer));
  const kinds = ["image", "error", "depth"].filter(
    (kind) => names.some((name) => isAnywhere(`${kind}:${name}`)));
  const columns = names.filter((name) => kinds.some((kind) => isAnywhere(`${kind}:${name}`)));
  const cell = (kind, name) => {
    const layer = kind === "image" ? name : `${kind}:${name}`;
    if (!has(entry, layer)) return element("td");
    const attributes = {
      type: "button", title: titleOf(layer), "aria-pressed": String(layer === state.right),
      onclick: () => { state.right = layer; drawCase(); },
    };
    return element("td", {}, element("button", attributes, thumbnail(entry, layer)));
  };
  const heads = columns.map((name) => element("th", {}, titles[name] ?? name));
  const rows = kinds.map((kind) => element("tr", {}, element("th", {}, kind),
    ...columns.map((name) => cell(kind, name))));
  return element("table", {}, element("tr", {}, element("th"), ...heads), ...rows);
}

function caseScores(entry) {
  const methods = data.methods.filter((method) => entry.predictions[method.name]);
  const heads = methods.map((method) => element("th", {}, method.title));
  const rows = data.metrics.map((metric) => {
    const values = methods.map((method) => score(entry, method.name, metric.name));
    const known = values.filter(isKnown);
    const best = known.length > 1 ? Math[metric.more_is_better ? "max" : "min"](...known) : null;
    const style = (value) => (isKnown(value) && value === best ? "best" : null);
    const cells = values.map(
      (value) => element("td", { class: style(value) }, number(value, metric.digits)));
    return element("tr", {}, element("td", {}, metric.label), ...cells);
  });
  return element("table", {},
    element("thead", {}, element("tr", {}, element("th", {}, "this image"), ...heads)),
    element("tbody", {}, ...rows));
}

function step(by) {
  state.place = (state.place + by + data.cases.length) % data.cases.length;
  drawCase();
}

function open(entry) {
  state.place = data.cases.indexOf(entry);
  drawCase();
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  find("#viewer").scrollIntoView({ behavior: isCalm ? "auto" : "smooth" });
}

// Best and worst of the new views, where there are any

const hasNewViews = data.cases.some((entry) => entry.gap_deg);

// The score that cases are ranked by, or its difference to another method's on the same image.
function merit(entry) {
  const own = score(entry, state.method, state.metric);
  if (!isPaired()) return own;
  const other = score(entry, state.against, state.metric);
  return own === null || other === null ? null : own - other;
}

const isPaired = () => isKnown(state.against) && state.against !== state.method;

function drawExtremes() {
  const metric = data.metrics.find((other) => other.name === state.metric);
  if (!metric) return;
  const known = data.cases.filter(
    (entry) => merit(entry) !== null && !(hasNewViews && entry.gap_deg === 0));
  known.sort((one, other) => order(merit(one), merit(other), metric.more_is_better));
  const count = Math.min(EXTREMES, Math.floor(known.length / 2) || known.length);
  const card = (entry) => extreme(entry, metric);
  find("#best").replaceChildren(...known.slice(0, count).map(card));
  find("#worst").replaceChildren(...known.slice(-count).reverse().map(card));
}

function extreme(entry, metric) {
  const last = isPaired() ? state.against : `error:${state.method}`;
  const layers = ["input", "reference", state.method, last].filter((layer) => has(entry, layer));
  const images = layers.map((layer) => element("span", {}, thumbnail(entry, layer),
    element("small", {}, layer.startsWith("error:") ? "error" : titleOf(layer))));
  const sign = isPaired() && merit(entry) > 0 ? "+" : "";
  const value = `${sign}${number(merit(entry), metric.digits)} ${metric.unit}`.trim();
  const gap = entry.gap_deg ? `, yaw gap ${degrees(entry.gap_deg)}` : "";
  const caption = element("span", { class: "caption" },
    element("b", {}, value), element("small", {}, nameOf(entry) + gap));
  const choose = () => {
    state.right = state.method;
    if (isPaired()) state.left = state.against;
    open(entry);
  };
  return element("button", { type: "button", class: "case", onclick: choose },
    element("span", { class: "four" }, ...images), caption);
}

// All images of a method

function allColumns() {
  const note = (entry) => (entry.note ? element("small", { class: "long" }, entry.note) : null);
  const seconds = (entry) => entry.predictions[state.method]?.seconds;
  const columns = [
    { title: "image", value: nameOf, cell: (entry) => [nameOf(entry), note(entry)] },
    ...[["input", "input"], ["reference", "reference"], ["prediction", state.method],
      ["error", `error:${state.method}`]].map(([title, layer]) => ({ title, layer })),
    { title: "group", textual: true, value: (entry) => entry.group },
    {
      title: "yaw gap", value: (entry) => entry.gap_deg,
      cell: (entry) => [degrees(entry.gap_deg)],
    },
    ...data.metrics.map((metric) => {
      const value = (entry) => score(entry, state.method, metric.name);
      return { title: metric.label, value, cell: (entry) => [number(value(entry), metric.digits)] };
    }),
    { title: "lift", value: seconds, cell: (entry) => [duration(seconds(entry))] },
  ];
  return columns.filter((column) => data.cases.some(
    (entry) => (column.layer ? has(entry, column.layer) : isKnown(column.value(entry)))));
}

function drawTable() {
  const columns = allColumns();
  const entries = data.cases.filter(
    (entry) => entry.predictions[state.method] && !(state.missed && entry.face_found !== false));
  const column = columns.find((other) => other.title === state.sort);
  if (column) {
    entries.sort((one, other) => order(column.value(one), column.value(other), state.falling));
  }
  const head = element("tr", {}, ...columns.map(headCell));
  const rows = entries.slice(0, state.rows).map((entry) => tableRow(entry, columns));
  find("#images-table").replaceChildren(
    element("thead", {}, head), element("tbody", {}, ...rows));
  const more = entries.length - rows.length;
  find("#more").hidden = more <= 0;
  find("#more").textContent = `Show ${more} more`;
}

function headCell(column) {
  if (column.layer) return element("th", { class: "text" }, column.title);
  const isSorted = column.title === state.sort;
  const sort = () => {
    state.falling = isSorted ? !state.falling : true;
    state.sort = column.title;
    drawTable();
  };
  const direction = isSorted ? (state.falling ? "descending" : "ascending") : null;
  return element("th", { class: column.textual ? "text" : null, "aria-sort": direction },
    element("button", { type: "button", onclick: sort }, column.title));
}

function tableRow(entry, columns) {
  const cells = columns.map((column) => {
    if (column.layer) {
      const shown = has(entry, column.layer) ? thumbnail(entry, column.layer) : "–";
      return element("td", { class: "text" }, shown);
    }
    const content = column.cell ? column.cell(entry) : [column.value(entry) ?? "–"];
    return element("td", { class: column.textual ? "text" : null }, ...content);
  });
  const onkeydown = (event) => { if (event.key === "Enter") open(entry); };
  const attributes = { tabindex: 0, title: "show above", onclick: () => open(entry), onkeydown };
  return element("tr", attributes, ...cells);
}

function onChange(selector, change) {
  for (const control of findAll(selector)) {
    control.addEventListener("change", () => change(control));
  }
}

function start() {
  findAll("table.sortable").forEach(makeSortable);
  if (!data.cases.length) return;
  const methods = data.methods.map((method) => [method.name, method.title]);
  for (const select of findAll("select.method")) options(select, methods, state.method);
  const metrics = data.metrics.map((metric) => [metric.name, metric.title]);
  options(find("#metric"), metrics, state.metric);
  options(find("#against"), [["", "nothing"], ...methods], state.against ?? "");
  onChange("select.method", (select) => {
    state.method = select.value;
    for (const other of findAll("select.method")) other.value = select.value;
    drawExtremes();
    drawTable();
  });
  onChange("#metric", (select) => { state.metric = select.value; drawExtremes(); });
  onChange("#against", (select) => { state.against = select.value; drawExtremes(); });
  onChange("#left", (select) => { state.left = select.value; drawCase(); });
  onChange("#right", (select) => { state.right = select.value; drawCase(); });
  onChange("#case", (select) => { state.place = Number(select.value); drawCase(); });
  onChange("#missed", (box) => { state.missed = box.checked; drawTable(); });
  find("#before").addEventListener("click", () => step(-1));
  find("#after").addEventListener("click", () => step(1));
  find("#cut").addEventListener("input", (event) => cut(Number(event.target.value)));
  find("#more").addEventListener("click", () => { state.rows = Infinity; drawTable(); });
  followPointer(find("#stage"));
  const first = data.cases.findIndex((entry) => entry.gap_deg && entry.predictions[state.method]);
  state.place = Math.max(0, first);
  cut(50);
  drawCase();
  drawExtremes();
  drawTable();
}

start();
