#!/usr/bin/env bash
# A network saved by torch.export holds the example picture that it was traced with, bit by bit.
#
# One would guess: a graph and its weights; examples give shapes and types, as in torch.onnx.export
#   and torch.jit.trace, whose files hold neither.
# True: torch.export.save writes the example inputs beside the weights, and torch.export.load gives
#   them back as `example_inputs`. The file grows by their size. Setting `example_inputs = None`
#   before saving leaves them out, and the file loads and runs.
# Why it matters here: whoever exports an encoder of portraits on "a photograph that works" hands
#   that person's face to everybody who gets the network. Ours clears the field (and traces zeros).
# Found with torch 2.13.0 (CPU), onnx 1.23.2, onnxscript 0.7.2, numpy 2.3.5, 2026-11-29.
# Output on 2026-11-29:
#   torch 2.13.0+cpu; the picture has 786,432 bytes
#   picture in the torch.export file: yes (795,770 bytes)
#   … after example_inputs = None: no (7,707 bytes)
#   in the TorchScript file: no; in the ONNX file: no
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  'torch==2.13.0' 'onnx==1.23.2' 'onnxscript==0.7.2' 'numpy==2.3.5' 2>"$work/pip.log" \
  || { cat "$work/pip.log"; exit 2; }
cat > "$work/traced.py" <<'PY'
import pathlib
import sys
import warnings
import zipfile

import torch

warnings.filterwarnings("ignore")
folder = pathlib.Path(sys.argv[1])
face = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(0))
network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU()).eval()
pixels = face.numpy().tobytes()


def holds(path):
    """Whether the picture's bytes lie in a file or in one that it packs."""
    whole = path.read_bytes()
    if not zipfile.is_zipfile(path):
        return pixels in whole
    with zipfile.ZipFile(path) as packed:
        return any(pixels in packed.read(name) for name in packed.namelist())


program = torch.export.export(network, (face,))
torch.export.save(program, folder / "kept.pt2")
again = torch.export.load(folder / "kept.pt2")
same = torch.equal(again.example_inputs[0][0], face)
program.example_inputs = None
torch.export.save(program, folder / "cleared.pt2")
cleared = torch.export.load(folder / "cleared.pt2").module()
runs = torch.allclose(cleared(face), network(face))
torch.jit.trace(network, face).save(folder / "traced.pt")
torch.onnx.export(network, (face,), folder / "network.onnx", dynamo=True, verbose=False)

sizes = {name: (folder / name).stat().st_size for name in ("kept.pt2", "cleared.pt2")}
word = {True: "yes", False: "no"}
found = {name: holds(folder / name) for name in ("kept.pt2", "cleared.pt2", "traced.pt", "network.onnx")}
print(f"torch {torch.__version__}; the picture has {len(pixels):,} bytes")
print(f"picture in the torch.export file: {word[found['kept.pt2']]} ({sizes['kept.pt2']:,} bytes)")
print(f"… after example_inputs = None: {word[found['cleared.pt2']]} ({sizes['cleared.pt2']:,} bytes)")
print(f"in the TorchScript file: {word[found['traced.pt']]}; in the ONNX file: {word[found['network.onnx']]}")
assert found["kept.pt2"] and same, "torch.export no longer keeps its examples: changed"
assert not found["cleared.pt2"] and runs, "clearing the examples no longer works: changed"
assert not (found["traced.pt"] or found["network.onnx"]), "other exports keep examples: changed"
PY
"$work/venv/bin/python" "$work/traced.py" "$work"
