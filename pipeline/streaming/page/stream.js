"use strict";
// The page: network → decoder → renderer → canvas, and the viewer's own camera.

const view = { yaw: 0, pitch: 0, distance: 1, stereo: false };
const EYES = 0.03;  // half the angle between two eyes, radians
const live = { header: null, decoder: null, renderer: null, packet: null, isDirty: false, fence: null, received: new Map(), clock: 0, bestTrip: Infinity, frames: 0, decoded: 0, dropped: 0, latencies: [], drawTimes: [], levels: null };
const find = id => document.getElementById(id);

function say(text, isError = false) {
  find("said").textContent = text;
  find("said").classList.toggle("error", isError);
}

/** Microseconds of this page's clock, and of the sender's. */
const now = () => performance.now() * 1000;

function connect() {
  const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/stream`);
  socket.binaryType = "arraybuffer";
  socket.onmessage = message => {
    try {
      typeof message.data === "string" ? takeClock(message.data) : take(socket, message.data);
    } catch (error) { fail(socket, error); }
  };
  socket.onopen = () => {
    const ping = () => socket.readyState === WebSocket.OPEN && socket.send(JSON.stringify({ ping: Math.round(now()) }));
    ping();
    live.pinging = setInterval(ping, 1000);
  };
  socket.onclose = () => {
    clearInterval(live.pinging);
    if (!live.failed) say("The stream has ended. Reload the page to look again.");
  };
  live.socket = socket;
}

function fail(socket, error) {
  live.failed = true;
  say(error.message, true);
  socket.close();
}

function takeClock(text) {
  const { pong, clock } = JSON.parse(text), at = now(), trip = at - pong;
  if (trip < live.bestTrip) {
    live.bestTrip = trip;
    live.clock = clock - (pong + at) / 2;
  }
}

function take(socket, buffer) {
  const at = now(), packet = parsePacket(buffer);
  if (packet.kind === HEADER) {
    open(JSON.parse(new TextDecoder().decode(packet.payload)), socket);
    return;
  }
  if (!live.decoder) return;
  packet.stamps.received = at;
  if (!live.decoder.take(packet)) {
    live.dropped += 1;
    askForKey(socket);
  }
}

function askForKey(socket) {
  const at = now();
  if (at - (live.asked ?? -1e9) < 1e6 || socket.readyState !== WebSocket.OPEN) return;
  live.asked = at;
  socket.send(JSON.stringify({ key: true }));
}

function open(header, socket) {
  if (header.format !== "trilift stream 1") throw new Error("a stream of another version: reload the page");
  if (!window.VideoDecoder) throw new Error(window.isSecureContext ? "this browser has no WebCodecs" : "browsers decode video only on this machine or on encrypted pages (https)");
  if (!header.scene) throw new Error("this teacher's renderer can't be drawn in a browser: use trilift stream address=");
  live.decoder?.close();
  live.header = header;
  live.fence = null;
  live.renderer = new PlaneRenderer(find("canvas"), header);
  live.decoder = new PlaneDecoder(header, show, sentence => { say(sentence, true); askForKey(socket); });
  resize();
}

/** Planes have been decoded: the newest are drawn at the next frame of the screen. */
function show(levels, packet) {
  live.decoded += 1;
  if (live.packet) live.dropped += 1;
  if (packet) packet.stamps.decoded = now();
  live.packet = packet;
  live.levels = levels;
  live.isDirty = true;
  if (find("said").textContent) say("");
}

function resize() {
  if (!live.renderer) return;
  live.renderer.resize(view.stereo ? 2 : 1);
  find("stage").style.aspectRatio = view.stereo ? "2" : "1";
  live.isDirty = true;
}

/** One picture at a time is in the graphics processor: a slow one would otherwise show the past. A
 * fence says when it is drawn; gl.finish() only flushes in browsers. */
function draw() {
  requestAnimationFrame(draw);
  if (!live.renderer || !isDrawn() || !live.isDirty || !live.levels) return;
  live.isDirty = false;
  const renderer = live.renderer, { gl } = renderer, started = now();
  if (live.packet) renderer.upload(live.levels);
  const angles = view.stereo ? [view.yaw - EYES, view.yaw + EYES] : [view.yaw];
  // the left eye stands at smaller yaw: the camera moves to its own right with positive yaw
  angles.forEach((yaw, k) => renderer.draw(orbit(live.header.scene, { ...view, yaw }), k * renderer.resolution));
  live.fence = { gl, sync: gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0), started, packet: live.packet };
  gl.flush();
  live.packet = null;
}

/** Whether nothing is being drawn; counts what has just been. */
function isDrawn() {
  if (!live.fence) return true;
  const { gl, sync, started, packet } = live.fence;
  if (gl.getSyncParameter(sync, gl.SYNC_STATUS) !== gl.SIGNALED && !gl.isContextLost()) return false;
  gl.deleteSync(sync);
  live.fence = null;
  keep(live.drawTimes, now() - started);
  if (packet) {
    live.frames += 1;
    const { captured, sent, received, decoded } = packet.stamps;
    keep(live.latencies, { at: now(), total: now() + live.clock - captured, sending: sent - captured, network: received + live.clock - sent, decoding: decoded - received, drawing: now() - decoded });
  }
  return true;
}

function keep(list, entry) {
  list.push(entry);
  if (list.length > 300) list.shift();
}

function tell() {
  const last = live.latencies.filter(entry => entry.at > now() - 2e6);
  const median = list => list.slice().sort((a, b) => a - b)[list.length >> 1];
  if (!last.length) return;
  const rate = last.length > 1 ? (last.length - 1) / (last[last.length - 1].at - last[0].at) * 1e6 : 0;
  find("numbers").textContent = `${rate.toFixed(1)} frames/s · ${(median(last.map(entry => entry.total)) / 1000).toFixed(0)} ms from capture · drawn in ${(median(live.drawTimes) / 1000).toFixed(0)} ms · ${live.dropped} dropped`;
}

function turn(yaw, pitch) {
  view.yaw = Math.max(-1.5, Math.min(1.5, view.yaw + yaw));
  view.pitch = Math.max(-1, Math.min(1, view.pitch + pitch));
  live.isDirty = true;
}

const stage = find("stage");
stage.addEventListener("pointerdown", event => { stage.setPointerCapture(event.pointerId); stage.dataset.x = event.clientX; stage.dataset.y = event.clientY; });
stage.addEventListener("pointermove", event => {
  if (!stage.hasPointerCapture(event.pointerId)) return;
  const scale = 2 / stage.clientHeight;
  turn(-(event.clientX - stage.dataset.x) * scale, (event.clientY - stage.dataset.y) * scale);
  stage.dataset.x = event.clientX;
  stage.dataset.y = event.clientY;
});
stage.addEventListener("keydown", event => {
  const steps = { ArrowLeft: [0.05, 0], ArrowRight: [-0.05, 0], ArrowUp: [0, -0.05], ArrowDown: [0, 0.05] };
  if (steps[event.key]) { turn(...steps[event.key]); event.preventDefault(); }
});
find("front").addEventListener("click", () => { view.yaw = view.pitch = 0; live.isDirty = true; });
find("stereo").addEventListener("click", () => {
  view.stereo = !view.stereo;
  find("stereo").setAttribute("aria-pressed", view.stereo);
  resize();
});
find("distance").addEventListener("input", event => { view.distance = Number(event.target.value); live.isDirty = true; });

fetch("state").then(answer => answer.json()).then(state => { find("about").textContent = state.about ?? ""; }).catch(() => {});
setInterval(tell, 500);
requestAnimationFrame(draw);
connect();
