"use strict";
// Levels → textures → views, on the graphics processor (WebGL2).

const NETWORK_UNIT = 0;

/** A camera about the pivot, as teachers/rendering/camera.py Camera.orbit. */
function orbit(scene, { yaw, pitch, distance = 1, focal = scene.focal }) {
  const radius = scene.radius * distance;
  const position = [Math.sin(yaw) * Math.cos(pitch) * radius, Math.sin(pitch) * radius, Math.cos(yaw) * Math.cos(pitch) * radius];
  const forward = normalized(scene.pivot.map((x, k) => x - position[k]));
  const right = normalized(cross(forward, [0, 1, 0]));
  // limits are distances from the camera: they move with it
  const nearer = scene.radius * (1 - distance);
  const reach = [Math.max((scene.near ?? 0) - nearer, 0.05), (scene.far ?? 0) - nearer];
  return { position, forward, right, down: cross(forward, right), focal, reach };
}

function cross(a, b) {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
}

function normalized(a) {
  const length = Math.hypot(...a);
  return a.map(x => x / length);
}

class PlaneRenderer {
  /** Throws if this browser can't: one sentence. */
  constructor(canvas, header) {
    const gl = canvas.getContext("webgl2", { antialias: false, alpha: false, powerPreference: "high-performance" });
    if (!gl) throw new Error("this browser has no WebGL2");
    if (!gl.getExtension("EXT_color_buffer_float")) throw new Error("this browser can't draw into float textures");
    this.gl = gl;
    this.canvas = canvas;
    this.header = header;
    this.scene = header.scene;
    if (this.scene.channels % 4) throw new Error("planes whose channels aren't a multiple of 4");
    const targets = Math.ceil(this.scene.depth_samples / 4);
    this.proposes = this.scene.first_pass === "proposal";
    if (this.proposes && targets > gl.getParameter(gl.MAX_DRAW_BUFFERS)) throw new Error(`this browser draws into ${gl.getParameter(gl.MAX_DRAW_BUFFERS)} textures at once, ${targets} are needed`);
    this.resolution = this.scene.resolution;
    this.unpack = this.program(UNPACK);
    this.makeTextures();
    this.makeBasis();
    this.network = this.makeNetwork();
    if (this.proposes) {
      this.first = this.program(proposalShader(this.scene, header.side));
      this.second = this.program(proposalColorShader(this.scene, header.side));
      this.makeWeights(targets);
    } else {
      this.second = this.program(reusedShader(this.scene, header.side));
    }
    gl.bindVertexArray(gl.createVertexArray());
  }

  program(fragment) {
    const gl = this.gl, program = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, QUAD], [gl.FRAGMENT_SHADER, fragment]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(`a shader doesn't compile: ${gl.getShaderInfoLog(shader)}`);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(`a shader doesn't link: ${gl.getProgramInfoLog(program)}`);
    const block = gl.getUniformBlockIndex(program, "Network");
    if (block !== gl.INVALID_INDEX) gl.uniformBlockBinding(program, block, NETWORK_UNIT);
    const places = new Map();
    return { program, at: name => {
      if (!places.has(name)) places.set(name, gl.getUniformLocation(program, name));
      return places.get(name);
    } };
  }

  texture(target, filter) {
    const gl = this.gl, texture = gl.createTexture();
    gl.bindTexture(target, texture);
    gl.texParameteri(target, gl.TEXTURE_MIN_FILTER, filter);
    gl.texParameteri(target, gl.TEXTURE_MAG_FILTER, filter);
    gl.texParameteri(target, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
    gl.texParameteri(target, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
    return texture;
  }

  makeTextures() {
    const gl = this.gl, { side, columns, rows, tiles } = this.header;
    this.width = columns * side;
    this.height = rows * side;
    this.layers = tiles / 4;
    this.grid = this.texture(gl.TEXTURE_2D, gl.NEAREST);
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.R16UI, this.width, this.height);
    // deviations from the centres in half floats, eleven bits of each, which are filtered everywhere
    this.planes = this.texture(gl.TEXTURE_2D_ARRAY, gl.LINEAR);
    gl.texStorage3D(gl.TEXTURE_2D_ARRAY, 1, gl.RGBA16F, side, side, this.layers);
    this.layerTargets = [...Array(this.layers).keys()].map(layer => {
      const target = gl.createFramebuffer();
      gl.bindFramebuffer(gl.FRAMEBUFFER, target);
      gl.framebufferTextureLayer(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, this.planes, 0, layer);
      return target;
    });
  }

  makeWeights(targets) {
    const gl = this.gl, half = this.resolution / 2;
    this.weights = [...Array(targets).keys()].map(() => {
      const texture = this.texture(gl.TEXTURE_2D, gl.NEAREST);
      gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA32F, half, half);
      return texture;
    });
    this.weightTarget = gl.createFramebuffer();
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.weightTarget);
    this.weights.forEach((texture, k) => gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0 + k, gl.TEXTURE_2D, texture, 0));
    gl.drawBuffers(this.weights.map((_, k) => gl.COLOR_ATTACHMENT0 + k));
  }

  /** The uniform block: the normalisation's centres, decoder, prior. */
  makeNetwork() {
    const gl = this.gl, scene = this.scene, offset = this.header.normalisation.centre;
    const hidden = scene.hidden;
    const columns = [];  // outputs of one hidden unit together
    for (let h = 0; h < hidden; h++) for (let k = 0; k < 4; k++) columns.push(scene.output_weight[k * hidden + h]);
    const padded = list => [...list, ...Array((4 - list.length % 4) % 4).fill(0)];
    const ellipsoids = scene.ellipsoids.length ? scene.ellipsoids : [[0, 0, 0, 1, 1, 1]];
    const rows = ellipsoids.flatMap(e => [e[0], e[1], e[2], 0, 1 / e[3], 1 / e[4], 1 / e[5], 0]);
    const numbers = new Float32Array([...offset, ...scene.hidden_weight, ...columns, ...padded(scene.hidden_bias), ...scene.output_bias, ...rows]);
    const buffer = gl.createBuffer();
    gl.bindBuffer(gl.UNIFORM_BUFFER, buffer);
    gl.bufferData(gl.UNIFORM_BUFFER, numbers, gl.STATIC_DRAW);
    gl.bindBufferBase(gl.UNIFORM_BUFFER, NETWORK_UNIT, buffer);
    return buffer;
  }

  /** The normalisation's basis: a texel has the share of one level (x) in four channels (y). */
  makeBasis() {
    const gl = this.gl, { basis } = this.header.normalisation, size = basis[0].length;
    if (size !== 1 && size % 4) throw new Error(`planes in blocks of ${size} channels, which isn't a multiple of 4`);
    this.block = Math.max(4, size);  // single channels are read as diagonal blocks of four
    const numbers = new Float32Array(this.header.tiles * this.block);
    for (let tile = 0; tile < this.header.tiles; tile++) for (let level = 0; level < size; level++) {
      const x = tile % this.block - tile % size + level;
      numbers[((tile >> 2) * this.block + x) * 4 + tile % 4] = basis[Math.floor(tile / size)][tile % size][level];
    }
    this.basis = this.texture(gl.TEXTURE_2D, gl.NEAREST);
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA32F, this.block, this.layers);
    gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, this.block, this.layers, gl.RGBA, gl.FLOAT, numbers);
  }

  /** A picture of 10-bit levels. */
  upload(levels) {
    const gl = this.gl, { side, columns } = this.header;
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, this.grid);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 2);
    gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, this.width, this.height, gl.RED_INTEGER, gl.UNSIGNED_SHORT, levels);
    gl.useProgram(this.unpack.program);
    gl.uniform1i(this.unpack.at("grid"), 0);
    gl.uniform1i(this.unpack.at("side"), side);
    gl.uniform1i(this.unpack.at("columns"), columns);
    gl.uniform1i(this.unpack.at("block"), this.block);
    gl.uniform1i(this.unpack.at("basis"), 1);
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, this.basis);
    gl.viewport(0, 0, side, side);
    this.layerTargets.forEach((target, layer) => {
      gl.bindFramebuffer(gl.FRAMEBUFFER, target);
      gl.uniform1i(this.unpack.at("first"), 4 * layer);
      gl.drawArrays(gl.TRIANGLES, 0, 3);
    });
  }

  /** One view into a square of the canvas. */
  draw(camera, left = 0) {
    const gl = this.gl, side = this.resolution;
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, this.planes);
    if (this.proposes) {
      gl.bindFramebuffer(gl.FRAMEBUFFER, this.weightTarget);
      this.run(this.first, camera, 0, side / 2);
      this.weights.forEach((texture, k) => {
        gl.activeTexture(gl.TEXTURE1 + k);
        gl.bindTexture(gl.TEXTURE_2D, texture);
      });
    }
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    this.run(this.second, camera, left, side);
  }

  run({ program, at }, camera, left, side) {
    const gl = this.gl;
    gl.useProgram(program);
    gl.uniform1i(at("planes"), 0);
    (this.weights ?? []).forEach((_, k) => gl.uniform1i(at(`w${k}`), 1 + k));
    gl.uniform3fv(at("origin"), camera.position);
    for (const name of ["right", "down", "forward"]) gl.uniform3fv(at(name), camera[name]);
    gl.uniform1f(at("focal"), camera.focal);
    gl.uniform2fv(at("reach"), camera.reach);
    gl.uniform2i(at("corner"), left, 0);
    gl.uniform2i(at("size"), side, side);
    gl.viewport(left, 0, side, side);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  /** The canvas's width for one view, or for two side by side. */
  resize(views) {
    this.canvas.width = this.resolution * views;
    this.canvas.height = this.resolution;
  }

  /** RGBA of one view, rows from the top. */
  pixels(camera) {
    const gl = this.gl, side = this.resolution;
    this.draw(camera);
    const upside = new Uint8Array(side * side * 4), result = new Uint8Array(side * side * 4);
    gl.readPixels(0, 0, side, side, gl.RGBA, gl.UNSIGNED_BYTE, upside);
    for (let y = 0; y < side; y++) result.set(upside.subarray((side - 1 - y) * side * 4, (side - y) * side * 4), y * side * 4);
    return result;
  }
}
