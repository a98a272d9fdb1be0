"use strict";
// The page of `trilift view`. One WebSocket message asks for one frame of one head; the next is sent
// when it has come, so a slow machine draws fewer frames and nothing piles up.

const $ = (id) => document.getElementById(id);
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const RESTING = { yaw_deg: 0, pitch_deg: 0, fov_deg: null, distance: 1, shown: "image" };
const STILL_AFTER = 160; // ms without a movement: then the finer, slower frame is asked for

let contenders = [], hooks = [], photographs = [], chosen = null, most = 0, limits = {}, megabytes = 0;
let usualFov = 18, view = { ...RESTING }, shownNames = new Set(), moved = 0, swaying = null;
const heads = new Map(); // contender → Head

function say(text, isError = false) {
  $("said").textContent = text;
  $("said").classList.toggle("error", isError);
}

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("trilift doesn't answer: is the program still running?");
  }
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error || answer.statusText);
  return answer.json();
}

// ---- heads ---------------------------------------------------------------------------------------

class Head {
  constructor(contender) {
    this.contender = contender;
    this.isWaiting = false; // for the answer to the last message
    this.isStale = true; // the view has changed since
    this.wasStill = false;
    this.start = !contender.slow;
    this.element = document.createElement("article");
    this.element.className = "head";
    const title = document.createElement("h2");
    title.textContent = contender.name;
    const stage = document.createElement("div");
    stage.className = "stage";
    stage.tabIndex = 0;
    stage.setAttribute("role", "application");
    stage.setAttribute("aria-label", `Head by ${contender.name}: arrow keys turn it`);
    this.canvas = document.createElement("canvas");
    this.canvas.width = this.canvas.height = 64;
    this.cover = document.createElement("div");
    this.cover.className = "cover";
    this.cover.hidden = true;
    stage.append(this.canvas, this.cover);
    this.downloads = document.createElement("div");
    this.downloads.className = "downloads";
    this.element.append(title, stage, this.downloads);
    turnable(stage);
    $("heads").append(this.element);
  }

  reset() {
    this.isStale = true;
    this.wasStill = false;
    this.start = !this.contender.slow;
    this.covered();
    // the old head must not pass for the new photograph's; what comes at once needs no notice
    clearTimeout(this.notice);
    this.notice = setTimeout(() => this.covered("Lifting …"), 300);
    this.links(false);
    this.ask();
  }

  links(isThere) {
    this.downloads.replaceChildren();
    if (!isThere) return;
    const base = `photographs/${chosen}/${encodeURIComponent(this.contender.name)}/`;
    for (const [text, path] of [["picture", "picture.png"], ["film", "turntable"], ["mesh", "head.glb"], ["triplane", "triplane.safetensors"]]) {
      const link = document.createElement("a");
      link.textContent = text;
      link.download = "";
      link.href = base + path;
      if (text === "picture") link.addEventListener("click", () => { link.href = `${base}${path}?${query()}`; });
      this.downloads.append(link);
    }
  }

  covered(...parts) {
    this.cover.replaceChildren(...parts);
    this.cover.hidden = parts.length === 0;
  }

  ask() {
    if (this.isWaiting || !this.isStale || chosen === null || socket.readyState !== 1) return;
    const isMoving = performance.now() - moved < STILL_AFTER || swaying !== null;
    this.isWaiting = true;
    this.isStale = isMoving;
    this.wasStill = !isMoving;
    const wanted = Object.fromEntries(Object.entries(view).filter(([, value]) => value !== null));
    socket.send(JSON.stringify({ ...wanted, moving: isMoving, start: this.start, photograph: chosen, contender: this.contender.name }));
  }

  async take(header, bytes) {
    this.isWaiting = false;
    if (header.photograph !== chosen) return void (this.isStale = true, this.ask());
    clearTimeout(this.notice);
    if (header.kind === "frame") {
      const picture = await createImageBitmap(new Blob([bytes], { type: "image/jpeg" }));
      if (header.photograph !== chosen) return;  // another was chosen meanwhile
      this.canvas.width = picture.width;
      this.canvas.height = picture.height;
      this.canvas.getContext("2d").drawImage(picture, 0, 0);
      this.covered();
      if (!this.downloads.childElementCount) this.links(true);
    } else if (header.kind === "progress") {
      const bar = document.createElement("progress");
      if (header.steps) [bar.max, bar.value] = [header.steps, header.step];
      const text = document.createElement("span");
      text.textContent = header.steps ? `${header.title}: ${header.step} of ${header.steps}` : `${header.title} …`;
      this.covered(text, bar);
      setTimeout(() => { this.isStale = true; this.ask(); }, 400);
      return;
    } else if (header.kind === "idle") {
      const button = document.createElement("button");
      button.textContent = `Start ${this.contender.name}`;
      button.addEventListener("click", () => { this.start = true; this.isStale = true; this.ask(); });
      const text = document.createElement("span");
      text.textContent = "This takes minutes; the others stay usable.";
      return void this.covered(text, button);
    } else {
      const text = document.createElement("span");
      text.textContent = header.error;
      return void this.covered(text);
    }
    // Safari and Firefox: no frame before the last is on the screen
    requestAnimationFrame(() => this.ask());
  }
}

let socket;
function connect() {
  socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/frames`);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => { for (const head of heads.values()) { head.isWaiting = false; head.isStale = true; head.ask(); } };
  socket.onmessage = ({ data }) => {
    const size = new DataView(data).getUint16(0);
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 2, size)));
    heads.get(header.contender)?.take(header, new Uint8Array(data, 2 + size));
  };
  socket.onclose = () => { say("The connection was lost; trying again …", true); setTimeout(connect, 2000); };
}

setInterval(() => { for (const head of heads.values()) if (head.isStale || !head.wasStill) { head.isStale = true; head.ask(); } }, STILL_AFTER);

// ---- the view ------------------------------------------------------------------------------------

function query() {
  return new URLSearchParams(Object.entries(view).filter(([, value]) => value !== null)).toString();
}

function turned(change) {
  for (const [name, value] of Object.entries(change)) {
    view[name] = limits[name] && value !== null ? Math.min(Math.max(value, limits[name][0]), limits[name][1]) : value;
    const slider = $(name);
    if (slider && limits[name]) {
      slider.value = view[name] ?? usualFov;
      slider.nextElementSibling.textContent = value === null ? "auto" : name === "distance" ? `${view[name].toFixed(2)} ×` : `${view[name].toFixed(0)}°`;
    }
  }
  moved = performance.now();
  for (const head of heads.values()) { head.isStale = true; head.ask(); }
}

function turnable(stage) {
  let last = null;
  stage.addEventListener("pointerdown", (event) => {
    if (event.target.closest("button")) return; // a captured pointer would never click it
    stopSwaying();
    last = [event.clientX, event.clientY];
    stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener("pointermove", (event) => {
    if (!last) return;
    const [dx, dy] = [event.clientX - last[0], event.clientY - last[1]];
    last = [event.clientX, event.clientY];
    const degrees = 140 / stage.clientWidth;
    // the head follows the hand: the camera goes the other way
    turned({ yaw_deg: view.yaw_deg - dx * degrees, pitch_deg: view.pitch_deg + dy * degrees });
  });
  for (const name of ["pointerup", "pointercancel"]) stage.addEventListener(name, () => { last = null; });
  stage.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: [3, 0], ArrowRight: [-3, 0], ArrowUp: [0, -3], ArrowDown: [0, 3] }[event.key];
    if (event.key === "Home") turned({ yaw_deg: 0, pitch_deg: 0 });
    else if (steps) turned({ yaw_deg: view.yaw_deg + steps[0], pitch_deg: view.pitch_deg + steps[1] });
    else return;
    stopSwaying();
    event.preventDefault();
  });
}

// Whoever wants less motion gets no button that moves the head by itself, also while it sways.
function still() {
  $("sway").hidden = calm.matches;
  if (calm.matches) stopSwaying();
}
calm.addEventListener("change", still);

function stopSwaying() {
  if (swaying !== null) cancelAnimationFrame(swaying);
  swaying = null;
  $("sway").setAttribute("aria-pressed", "false");
}

$("sway").addEventListener("click", () => {
  if (swaying !== null) return stopSwaying();
  const start = performance.now();
  const step = (now) => {
    const phase = (now - start) / 4000 * 2 * Math.PI;
    turned({ yaw_deg: 32 * Math.sin(phase), pitch_deg: 8 * Math.sin(phase / 2) });
    swaying = requestAnimationFrame(step);
  };
  $("sway").setAttribute("aria-pressed", "true");
  swaying = requestAnimationFrame(step);
});
$("front").addEventListener("click", () => { stopSwaying(); turned({ ...RESTING, shown: view.shown }); });
$("shown").addEventListener("change", (event) => turned({ shown: event.target.value }));
for (const name of ["yaw_deg", "pitch_deg", "fov_deg", "distance"])
  $(name).addEventListener("input", (event) => { stopSwaying(); turned({ [name]: Number(event.target.value) }); });

// ---- photographs ---------------------------------------------------------------------------------

async function add(file) {
  if (file.size > megabytes * 1e6) return say(`${file.name} is larger than ${megabytes} MB: make it smaller first`, true);
  say(`Looking for a face in ${file.name || "the picture"} …`);
  try {
    const record = await ask(`photographs?name=${encodeURIComponent(file.name || "picture")}`, { method: "POST", body: file });
    photographs = [...photographs, record].slice(-most);
    say(record.note ? `${record.name}: ${record.note}` : "");
    choose(record.number);
  } catch (error) {
    say(`${file.name || "The picture"}: ${error.message}`, true);
  }
}

function strip() {
  $("strip").replaceChildren(...photographs.map((photograph) => {
    const item = document.createElement("li"), button = document.createElement("button"), off = document.createElement("button");
    const image = document.createElement("img");
    image.src = `photographs/${photograph.number}/photograph.jpg`;
    image.alt = photograph.name;
    button.className = "thumb";
    button.setAttribute("aria-current", photograph.number === chosen);
    button.append(image);
    button.addEventListener("click", () => choose(photograph.number));
    off.className = "off";
    off.textContent = "×";
    off.setAttribute("aria-label", `Remove ${photograph.name}`);
    off.addEventListener("click", () => remove(photograph.number));
    item.append(button, off);
    return item;
  }));
}

async function remove(number) {
  await ask(`photographs/${number}`, { method: "DELETE" }).catch(() => {});
  photographs = photographs.filter((photograph) => photograph.number !== number);
  if (chosen === number) choose(photographs.at(-1)?.number ?? null);
  else strip();
}

// The square after the hooks; the address changes with the square, so that it is asked for again.
function edited() {
  $("edited").hidden = !hooks.length;
  if (hooks.length) $("edit").src = `photographs/${chosen}/crop.png?${new URLSearchParams(current().crop)}`;
}

function choose(number) {
  chosen = number;
  strip();
  $("work").hidden = number === null;
  if (number === null) return;
  $("photograph").src = `photographs/${number}/photograph.jpg`;
  outline();
  edited();
  for (const head of heads.values()) head.reset();
}

const current = () => photographs.find((photograph) => photograph.number === chosen);

function outline() {
  const { crop, width, height, note } = current();
  Object.assign($("crop").style, {
    left: `${100 * crop.left / width}%`, top: `${100 * crop.top / height}%`,
    width: `${100 * crop.size / width}%`, height: `${100 * crop.size / height}%`,
    transform: `rotate(${crop.roll_deg}deg)`,
  });
  $("roll").value = crop.roll_deg;
  $("note").textContent = note || "This square is lifted; move it if it is wrong.";
}

let recut = null;
function cropped(change) {
  Object.assign(current().crop, change);
  outline();
  clearTimeout(recut);
  const number = chosen, { crop } = current();
  recut = setTimeout(async () => {
    try {
      const record = await ask(`photographs/${number}/crop`, { method: "PUT", headers: { "Content-Type": "application/json" }, body: JSON.stringify(crop) });
      photographs = photographs.map((photograph) => photograph.number === number ? record : photograph);
      say("");
      if (chosen === number) { outline(); edited(); for (const head of heads.values()) head.reset(); }
    } catch (error) { say(error.message, true); }
  }, 250);
}

{
  let last = null, isResizing = false;
  const box = $("crop");
  box.addEventListener("pointerdown", (event) => {
    isResizing = event.target === $("corner");
    last = [event.clientX, event.clientY];
    box.setPointerCapture(event.pointerId);
    event.preventDefault();
    box.focus();
  });
  box.addEventListener("pointermove", (event) => {
    if (!last) return;
    const { crop, width } = current(), pixels = width / $("photograph").clientWidth;
    const [dx, dy] = [(event.clientX - last[0]) * pixels, (event.clientY - last[1]) * pixels];
    last = [event.clientX, event.clientY];
    if (isResizing) cropped({ size: Math.max(24, crop.size + (dx + dy) / 2) });
    else cropped({ left: crop.left + dx, top: crop.top + dy });
  });
  for (const name of ["pointerup", "pointercancel"]) box.addEventListener(name, () => { last = null; });
  box.addEventListener("keydown", (event) => {
    const { crop } = current(), step = crop.size / 50;
    const change = {
      ArrowLeft: { left: crop.left - step }, ArrowRight: { left: crop.left + step },
      ArrowUp: { top: crop.top - step }, ArrowDown: { top: crop.top + step },
      "+": { size: crop.size + step, left: crop.left - step / 2, top: crop.top - step / 2 },
      "-": { size: Math.max(24, crop.size - step), left: crop.left + step / 2, top: crop.top + step / 2 },
    }[event.key];
    if (!change) return;
    event.preventDefault();
    cropped(change);
  });
  $("roll").addEventListener("input", (event) => cropped({ roll_deg: Number(event.target.value) }));
}

$("file").addEventListener("change", async (event) => { for (const file of event.target.files) await add(file); event.target.value = ""; });
document.addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("dropping"); });
document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("dropping"); });
document.addEventListener("drop", async (event) => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  for (const file of event.dataTransfer.files) await add(file);
});
document.addEventListener("paste", async (event) => { for (const file of event.clipboardData.files) await add(file); });

let stream = null;
function closeCamera() {
  for (const track of stream?.getTracks() ?? []) track.stop();
  stream = null;
  $("shutter").hidden = true;
}
$("camera").addEventListener("click", async () => {
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user", width: { ideal: 1280 } } });
  } catch (error) {
    return say(`The camera can't be used: ${error.message}`, true);
  }
  $("shutter").hidden = false;
  $("video").srcObject = stream;
  await $("video").play();
  $("shoot").focus();
});
$("unshoot").addEventListener("click", closeCamera);
$("shoot").addEventListener("click", () => {
  const video = $("video"), canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  canvas.getContext("2d").drawImage(video, 0, 0);
  closeCamera();
  canvas.toBlob((blob) => add(new File([blob], "camera.png", { type: "image/png" })), "image/png");
});

// ---- start ---------------------------------------------------------------------------------------

function offer() {
  for (const contender of contenders) {
    const label = document.createElement("label"), box = document.createElement("input");
    box.type = "checkbox";
    box.checked = shownNames.has(contender.name);
    box.addEventListener("change", () => { box.checked ? shownNames.add(contender.name) : shownNames.delete(contender.name); lay(); });
    label.append(box, document.createTextNode(contender.name));
    $("methods").append(label);
  }
  $("methods").hidden = contenders.length < 2;
}

function lay() {
  for (const [name, head] of heads) if (!shownNames.has(name)) { head.element.remove(); heads.delete(name); }
  for (const contender of contenders)
    if (shownNames.has(contender.name) && !heads.has(contender.name)) {
      const head = new Head(contender);
      heads.set(contender.name, head);
      if (chosen !== null) head.reset();
    }
}

(async () => {
  try {
    const state = await ask("state");
    ({ contenders, photographs, most, limits } = state);
    usualFov = state.fov_deg;
    hooks = state.hooks;
    $("hooks").textContent = `edited before it is lifted: ${hooks.join(", ")}`;
    megabytes = state.upload_megabytes;
    $("about").textContent = state.about;
    for (const [name, [low, high]] of Object.entries(limits)) [$(name).min, $(name).max] = [low, high];
    shownNames = new Set(contenders.filter((contender) => !contender.slow).map((contender) => contender.name));
    offer();
    lay();
    turned({ ...RESTING });
    still();
    connect();
    if (photographs.length) choose(photographs.at(-1).number);
  } catch (error) { say(error.message, true); }
})();
