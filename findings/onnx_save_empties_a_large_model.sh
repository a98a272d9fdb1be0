#!/usr/bin/env bash
# onnx.save with external data takes the weights out of the model in memory; saved again, it has none.
#
# One would guess: saving reads a model. One that is too large for a file, saved with
#   save_as_external_data=True, can be saved in a second place, or be handed to another converter.
# True: the weights' bytes are dropped from the object once they are on disk. The next onnx.save, with
#   external data or without, succeeds and writes a file of a few bytes that points to a data file
#   which isn't there: it fails where it is loaded, later, or on another machine. Saved in one file
#   (without external data) the model stays whole. load_external_data_for_model(model, folder) brings
#   the weights back.
# Why it matters here: encoders of 3D GANs above 2 GB need a second file; a test network never does, so
#   tests of an export in two formats pass. Ours failed for large ones until this was run.
# Found with onnx 1.23.2, numpy 2.4.6, 2026-11-29.
# Output on 2026-11-29:
#   onnx 1.23.2
#   one file: 16,477 bytes, weights: True
#   one file, again: 16,477 bytes, weights: True
#   external: 16,528 bytes, weights: True
#   external, again: 144 bytes, weights: ValidationError when it is loaded
#   external, then one file: 144 bytes, weights: ValidationError when it is loaded
#   external, loaded back, then one file: 16,479 bytes, weights: True
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'onnx==1.23.2' 'numpy==2.4.6' \
  2>"$work/pip.log" || { cat "$work/pip.log"; exit 2; }
cat > "$work/twice.py" <<'PY'
import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

folder = pathlib.Path(sys.argv[1])
WEIGHTS = np.arange(4096, dtype=np.float32).reshape(64, 64)


def network():
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 64]) for name in "xy")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [x], [y],
        [numpy_helper.from_array(WEIGHTS, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def saved(model, place, external):
    """Whether a saved file holds the weights, and how large it is, data file included."""
    (folder / place).mkdir()
    path = folder / place / "encoder.onnx"
    beside = {"save_as_external_data": True, "location": "encoder.data"} if external else {}
    onnx.save(model, str(path), **beside)
    size = sum(file.stat().st_size for file in path.parent.iterdir())
    try:
        whole = np.array_equal(numpy_helper.to_array(onnx.load(str(path)).graph.initializer[0]), WEIGHTS)
    except Exception as error:
        whole = f"{type(error).__name__} when it is loaded"
    print(f"{place}: {size:,} bytes, weights: {whole}")
    return whole


print("onnx", onnx.__version__)
plain = network()
once = [saved(plain, "one file", False), saved(plain, "one file, again", False)]
large = network()
first = saved(large, "external", True)
again = [saved(large, "external, again", True), saved(large, "external, then one file", False)]
onnx.load_external_data_for_model(large, str(folder / "external"))
restored = saved(large, "external, loaded back, then one file", False)
as_described = (
    once == [True, True] and first is True and restored is True
    and all(isinstance(one, str) for one in again)
)
sys.exit(0 if as_described else "the behaviour has changed")
PY
"$work/venv/bin/python" "$work/twice.py" "$work"
