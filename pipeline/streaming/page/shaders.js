"use strict";
// The triplane's decoder and EG3D's volume rendering as fragment shaders. The counterparts in Python
// are teachers/rendering/{triplane,two_layers,depths,compositing,marching,proposals}.py.

const QUAD = `#version 300 es
void main() {
  vec2 corner = vec2(gl_VertexID == 1 ? 3.0 : -1.0, gl_VertexID == 2 ? 3.0 : -1.0);
  gl_Position = vec4(corner, 0.0, 1.0);
}`;

/** Four channels' deviations from their centres, of the tiles of their block. */
const UNPACK = `#version 300 es
precision highp float;
precision highp usampler2D;
uniform usampler2D grid;
uniform sampler2D basis;
uniform int side, columns, first, block;
out vec4 deviations;
void main() {
  ivec2 texel = ivec2(gl_FragCoord.xy);
  deviations = vec4(0.0);
  for (int k = 0; k < block; k++) {
    int tile = first / block * block + k;
    ivec2 corner = ivec2(tile % columns, tile / columns) * side;
    float level = float(texelFetch(grid, corner + texel, 0).r) - 512.0;
    deviations += level * texelFetch(basis, ivec2(k, first / 4), 0);
  }
}`;

/** Constants and functions that every pass shares. */
function prelude(scene, side) {
  const quads = scene.channels / 4;
  const axis = letter => "xyz".indexOf(letter);
  const axes = scene.axes.map(pair => `ivec2(${axis(pair[0])}, ${axis(pair[1])})`).join(", ");
  const number = x => Number.isInteger(x) ? `${x}.0` : `${x}`;
  const ellipsoids = Math.max(1, scene.ellipsoids.length);
  return `#version 300 es
precision highp float;
precision highp int;
precision highp sampler2DArray;
const int QUADS = ${quads}, HIDDEN = ${scene.hidden}, SIDE = ${side};
const int COARSE = ${scene.depth_samples}, FINE = ${scene.importance_samples};
const int ELLIPSOIDS = ${scene.ellipsoids.length}, SOLIDS = ${scene.solids};
const ivec2 AXES[3] = ivec2[3](${axes});
const float BOX = ${number(scene.box_size)}, LOGIT_GAIN = ${number(scene.logit_gain)};
const float DENSITY_GAIN = ${number(scene.density_gain)};
const float SLOPE = ${number(scene.slope)}, LOW = ${number(scene.low)}, HIGH = ${number(scene.high)};
const float SOLID_SLOPE = ${number(scene.solid_slope)};
const float BACKGROUND = ${number(scene.background ?? 0)};
const bool HAS_LIMITS = ${scene.near != null};
layout(std140) uniform Network {
  vec4 offset[3 * QUADS];
  vec4 hidden_weight[HIDDEN * QUADS];
  vec4 output_weight[HIDDEN];
  vec4 hidden_bias[(HIDDEN + 3) / 4];
  vec4 output_bias;
  vec4 ellipsoids[2 * ${ellipsoids}];
};
uniform sampler2DArray planes;
uniform vec3 origin, right, down, forward;
uniform float focal;
uniform vec2 reach;
uniform ivec2 corner, size;

float softplus(float x) { return max(x, 0.0) + log(1.0 + exp(-abs(x))); }

vec3 ray(vec2 pixel) {
  vec2 image = (vec2(pixel.x, float(size.y) - pixel.y) / vec2(size) - 0.5) / focal;
  return normalize(right * image.x + down * image.y + forward);
}

void features(vec3 point, out vec4 found[QUADS]) {
  for (int k = 0; k < QUADS; k++) found[k] = vec4(0.0);
  for (int plane = 0; plane < 3; plane++) {
    vec2 place = vec2(point[AXES[plane].x], point[AXES[plane].y]) / BOX + 0.5;
    vec2 texel = place * float(SIDE) - 0.5;
    // zeros outside: the texture repeats its border texel, which fades over one texel
    vec2 inside = clamp(texel + 1.0, 0.0, 1.0) * clamp(float(SIDE) - texel, 0.0, 1.0);
    float share = inside.x * inside.y / 3.0;
    if (share <= 0.0) continue;
    for (int k = 0; k < QUADS; k++) {
      int at = plane * QUADS + k;
      found[k] += share * (texture(planes, vec3(place, float(at))) + offset[at]);
    }
  }
}

float prior(vec3 point) {
  if (ELLIPSOIDS == 0) return 0.0;
  float soft = 1e30, solid = 1e30;
  for (int k = 0; k < ELLIPSOIDS; k++) {
    vec3 away = (point - ellipsoids[2 * k].xyz) * ellipsoids[2 * k + 1].xyz;
    float squared = dot(away, away);
    if (k < ELLIPSOIDS - SOLIDS) soft = min(soft, squared); else solid = min(solid, squared);
  }
  float logit = clamp(SLOPE * (1.0 - sqrt(soft + 1e-12)), LOW, HIGH);
  if (SOLIDS > 0) logit += SOLID_SLOPE * max(0.0, 1.0 - sqrt(solid + 1e-12));
  return logit;
}

/** Density logit, and the outputs of the colours. */
vec4 field(vec3 point) {
  vec4 found[QUADS];
  features(point, found);
  vec4 result = output_bias;
  for (int h = 0; h < HIDDEN; h++) {
    float sum = hidden_bias[h / 4][h % 4];
    for (int k = 0; k < QUADS; k++) sum += dot(hidden_weight[h * QUADS + k], found[k]);
    result += output_weight[h] * softplus(sum);
  }
  if (ELLIPSOIDS > 0) result.x = LOGIT_GAIN * result.x + prior(point);
  return result;
}

vec3 color(vec4 outputs) { return 1.002 / (1.0 + exp(-outputs.yzw)) - 0.001; }

float density(float logit) { return DENSITY_GAIN * softplus(logit - 1.0); }

/** First and last depth; a ray that misses the box has none. */
vec2 limits(vec3 direction) {
  if (HAS_LIMITS) return reach;
  vec3 first = (-0.5 * BOX - origin) / direction, second = (0.5 * BOX - origin) / direction;
  vec3 enter = min(first, second), leave = max(first, second);
  return vec2(max(max(enter.x, enter.y), enter.z), min(min(leave.x, leave.y), leave.z));
}

float coarse_depth(vec2 ends, int k) {
  return ends.x + (float(k) + 0.5) / float(COARSE - 1) * (ends.y - ends.x);
}

/** Weights of the intervals between the coarse samples of a ray. */
void coarse_weights(vec3 direction, vec2 ends, out float weights[COARSE]) {
  float step_length = (ends.y - ends.x) / float(COARSE - 1);
  float before = field(origin + direction * coarse_depth(ends, 0)).x, light = 1.0;
  for (int k = 0; k < COARSE - 1; k++) {
    float logit = field(origin + direction * coarse_depth(ends, k + 1)).x;
    float through = exp(-density(0.5 * (before + logit)) * step_length);
    weights[k] = (1.0 - through) * light;
    light *= through;
    before = logit;
  }
  weights[COARSE - 1] = 0.0;
}

float mass(float weights[COARSE], int k) {
  // k-th of COARSE - 3: the larger of two neighbours, the mean of two such, and a floor
  float a = max(weights[k], weights[k + 1]), b = max(weights[k + 1], weights[k + 2]);
  return 0.5 * (a + b) + 0.01 + 1e-5;
}

/** Walks the inverse of the weights' distribution at even shares. */
struct Walk { int bin; float below, width, total; };

Walk walk_start(float weights[COARSE]) {
  float total = 0.0;
  for (int k = 0; k < COARSE - 3; k++) total += mass(weights, k);
  return Walk(0, 0.0, mass(weights, 0) / total, total);
}

float walk_to(inout Walk walk, float weights[COARSE], vec2 ends, int sample_number) {
  float share = (float(sample_number) + 0.5) / float(FINE);
  while (walk.bin < COARSE - 4 && share >= walk.below + walk.width) {
    walk.below += walk.width;
    walk.bin++;
    walk.width = mass(weights, walk.bin) / walk.total;
  }
  float within = float(walk.bin + 1) + (share - walk.below) / walk.width;
  return ends.x + within / float(COARSE - 1) * (ends.y - ends.x);
}

/** Adds intervals from near to far. */
struct Sums { vec3 color; float light, depth; vec4 outputs; };

Sums sums_start(vec3 direction, float depth) {
  return Sums(vec3(0.0), 1.0, depth, field(origin + direction * depth));
}

void sums_add(inout Sums sums, vec3 direction, float depth) {
  vec4 outputs = field(origin + direction * depth);
  float through = exp(-density(0.5 * (sums.outputs.x + outputs.x)) * (depth - sums.depth));
  sums.color += sums.light * (1.0 - through) * 0.5 * (color(sums.outputs) + color(outputs));
  sums.light *= through;
  sums.depth = depth;
  sums.outputs = outputs;
}

vec4 shown(vec3 premultiplied, float light) {
  return vec4(premultiplied + BACKGROUND * light, 1.0);
}
`;
}

/** First pass of "proposal": weights through the corners between 2x2 pixels. */
function proposalShader(scene, side) {
  const targets = Math.ceil(scene.depth_samples / 4);
  const lines = [...Array(targets).keys()];
  return `${prelude(scene, side)}
${lines.map(k => `layout(location = ${k}) out vec4 w${k};`).join("\n")}
void main() {
  vec3 direction = ray(gl_FragCoord.xy);
  float weights[COARSE];
  coarse_weights(direction, limits(direction), weights);
  ${lines.map(k => `w${k} = vec4(${[0, 1, 2, 3].map(i => 4 * k + i < scene.depth_samples ? `weights[${4 * k + i}]` : "0.0").join(", ")});`).join("\n  ")}
}`;
}

/** Second pass of "proposal": only importance samples are composited. */
function proposalColorShader(scene, side) {
  const targets = Math.ceil(scene.depth_samples / 4);
  const lines = [...Array(targets).keys()];
  return `${prelude(scene, side)}
precision highp sampler2D;
${lines.map(k => `uniform sampler2D w${k};`).join("\n")}
out vec4 pixel;
void main() {
  vec2 place = gl_FragCoord.xy - vec2(corner);
  ivec2 block = ivec2(place) / 2, last = size / 2 - 1;
  vec4 w[${targets}];
  for (int k = 0; k < ${targets}; k++) w[k] = vec4(0.0);
  for (int y = -1; y <= 1; y++) for (int x = -1; x <= 1; x++) {
    ivec2 at = clamp(block + ivec2(x, y), ivec2(0), last);
    ${lines.map(k => `w[${k}] = max(w[${k}], texelFetch(w${k}, at, 0));`).join("\n    ")}
  }
  float weights[COARSE], opacity = 0.0;
  for (int k = 0; k < COARSE; k++) { weights[k] = w[k / 4][k % 4]; opacity += weights[k]; }
  if (opacity <= 1e-3) { pixel = shown(vec3(0.0), 1.0); return; }
  vec3 direction = ray(place);
  vec2 ends = limits(direction);
  Walk walk = walk_start(weights);
  Sums sums = sums_start(direction, walk_to(walk, weights, ends, 0));
  for (int j = 1; j < FINE; j++) sums_add(sums, direction, walk_to(walk, weights, ends, j));
  pixel = shown(sums.color, sums.light);
}`;
}

/** "reused": EG3D's two passes, coarse and importance samples composited together. */
function reusedShader(scene, side) {
  return `${prelude(scene, side)}
out vec4 pixel;
void main() {
  vec3 direction = ray(gl_FragCoord.xy - vec2(corner));
  vec2 ends = limits(direction);
  if (ends.x >= ends.y) { pixel = shown(vec3(0.0), 1.0); return; }
  float weights[COARSE];
  coarse_weights(direction, ends, weights);
  Walk walk = walk_start(weights);
  int coarse = 1, fine = 0;
  float next = FINE > 0 ? walk_to(walk, weights, ends, 0) : 1e30;
  Sums sums = sums_start(direction, coarse_depth(ends, 0));
  // no importance sample lies before the first midpoint
  for (int k = 1; k < COARSE + FINE; k++) {
    float depth = coarse < COARSE ? coarse_depth(ends, coarse) : 1e30;
    if (next <= depth) {
      sums_add(sums, direction, next);
      fine++;
      next = fine < FINE ? walk_to(walk, weights, ends, fine) : 1e30;
    } else {
      sums_add(sums, direction, depth);
      coarse++;
    }
  }
  pixel = shown(sums.color, sums.light);
}`;
}
