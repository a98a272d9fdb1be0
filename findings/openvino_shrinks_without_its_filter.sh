#!/usr/bin/env bash
# A resize with antialias=1 in an ONNX file is shrunk without its filter by OpenVINO's CPU plug-in.
#
# One would guess: a runtime computes the attribute, or refuses the file.
# True: the file is read and run, and the picture is interpolated at its own samples only, as if
#   antialias were 0: high frequencies fold into the small picture. ONNX Runtime filters as the
#   standard says (but at the border, where it treats cut-off taps otherwise: .12 of noise of
#   deviation 1); OpenVINO is 2 off.
# Why it matters here: image encoders and backgrounds of 3D GANs are shrunk with antialiasing inside
#   the network (torch exports F.interpolate(…, antialias=True) so). A parity test on smooth images
#   passes. Ours writes the shrinking as two matrix products.
# Found with openvino 2026.4.1, onnx 1.20.0, onnxruntime 1.24.1, numpy 2.3.5, 2026-11-29.
# Output on 2026-11-29 (largest difference from the filtered picture, noise of deviation 1):
#   ONNX Runtime, antialias=1: 0.1243 (without the two outer pixels: 0.000001)
#   OpenVINO, antialias=0: 1.9859
#   OpenVINO, antialias=1: 1.9859
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  'openvino==2026.4.1' 'onnx==1.20.0' 'onnxruntime==1.24.1' 'numpy==2.3.5' 2>"$work/pip.log" \
  || { cat "$work/pip.log"; exit 2; }
cat > "$work/resize.py" <<'PY'
import sys

import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper

LARGE, SMALL = 64, 24


def written(antialias, path):
    sizes = helper.make_tensor("sizes", TensorProto.INT64, [4], [1, 1, SMALL, SMALL])
    node = helper.make_node(
        "Resize", ["x", "", "", "sizes"], ["y"], mode="linear", antialias=antialias,
        coordinate_transformation_mode="half_pixel",
    )
    graph = helper.make_graph(
        [node], "resize",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, LARGE, LARGE])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, SMALL, SMALL])], [sizes],
    )
    opset = [helper.make_opsetid("", 20)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)


def filtered(x):
    """A triangle filter as wide as the shrinking: what antialias=1 means."""
    scale = LARGE / SMALL
    centres = (np.arange(SMALL) + 0.5) * scale
    distance = np.abs(np.arange(LARGE) + 0.5 - centres[:, None]) / scale
    weights = np.maximum(0, 1 - distance)
    weights /= weights.sum(1, keepdims=True)
    return weights @ x @ weights.T


x = np.random.default_rng(0).standard_normal((1, 1, LARGE, LARGE)).astype(np.float32)
true = filtered(x[0, 0].astype(np.float64))
core, folder = openvino.Core(), sys.argv[1]
found = {}
for antialias in (0, 1):
    path = f"{folder}/resize{antialias}.onnx"
    written(antialias, path)
    ort = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    compiled = core.compile_model(path, "CPU")
    found["ONNX Runtime", antialias] = ort.run(None, {"x": x})[0][0, 0]
    found["OpenVINO", antialias] = compiled(x)[0][0, 0]
print("largest difference from the filtered picture, noise of deviation 1")
for (name, antialias), picture in found.items():
    print(f"{name}, antialias={antialias}: {np.abs(picture - true).max():.4f}")
inner = np.abs(found["ONNX Runtime", 1] - true)[2:-2, 2:-2].max()
print(f"ONNX Runtime, antialias=1, without the two outer pixels: {inner:.6f}")
assert np.abs(found["ONNX Runtime", 1] - true).max() < 0.3, "ONNX Runtime filters: changed"
ignored = np.abs(found["OpenVINO", 1] - found["OpenVINO", 0]).max()
print(f"OpenVINO, antialias=1 against 0: {ignored:.4f}")
assert np.abs(found["OpenVINO", 1] - true).max() > 0.5, "OpenVINO filters by now: changed"
PY
"$work/venv/bin/python" "$work/resize.py" "$work"
