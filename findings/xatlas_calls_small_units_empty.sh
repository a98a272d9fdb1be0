#!/usr/bin/env bash
# A mesh in another unit of length is cut into other charts by xatlas, or into none at all.
#
# One would guess: UVs don't depend on the unit: a head in metres and the same head in millimetres get
#   the same charts, and a picture of the asked size.
# True: xatlas takes faces below an absolute area for empty. A sphere of radius 1 gets 10 charts, of
#   radius .01 169, of radius .001 none, without an error; and for a wished resolution of 256 the
#   pictures are 291, 125 and 30 pixels wide.
# Why it matters here: heads are exported in metres with tens of thousands of faces, each about a
#   millionth of a square metre. Scale a mesh before it is unwrapped (ours: to a mean face area of 1),
#   check the number of charts, and take the picture's size from the result.
# Found with xatlas 0.0.11, numpy 2.3.5, 2026-11-29.
# Output on 2026-11-29:
#   radius 1.0: 10 charts, 291 x 285
#   radius 0.1: 9 charts, 125 x 114
#   radius 0.01: 169 charts, 30 x 30
#   radius 0.001: 0 charts, 0 x 0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q xatlas==0.0.11 numpy==2.3.5
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import xatlas

rows, columns = 40, 80
theta, phi = np.meshgrid(np.linspace(0.01, np.pi - 0.01, rows), np.linspace(0, 2 * np.pi, columns))
points = np.stack([np.sin(theta) * np.cos(phi), np.cos(theta), np.sin(theta) * np.sin(phi)], -1)
points = points.reshape(-1, 3).astype(np.float32)
first = (np.arange(columns - 1)[:, None] * rows + np.arange(rows - 1)).ravel()
faces = np.concatenate(
    [np.stack([first, first + 1, first + rows], 1), np.stack([first + 1, first + rows + 1, first + rows], 1)]
).astype(np.uint32)


def unwrapped(scale):
    atlas = xatlas.Atlas()
    atlas.add_mesh(points * np.float32(scale), faces)
    options = xatlas.PackOptions()
    options.resolution = 256
    atlas.generate(pack_options=options)
    return atlas.chart_count, atlas.width, atlas.height


found = {radius: unwrapped(radius) for radius in (1.0, 0.1, 0.01, 0.001)}
for radius, (charts, width, height) in found.items():
    print(f"radius {radius}: {charts} charts, {width} x {height}")
assert 5 < found[1.0][0] < 20, "a sphere of radius 1 has a few charts: changed"
assert found[0.01][0] > 50, "of radius .01 it falls apart: changed"
assert found[0.001][0] == 0, "of radius .001 it has none: changed"
assert found[1.0][1] > 256 and found[0.01][1] < 128, "the wished resolution is met: changed"
PYTHON
