#!/usr/bin/env bash
# torch.optim.Muon takes no convolution kernel, and rounds every update to bfloat16, in float64 too.
#
# One would guess: torch.optim.Muon is a drop-in replacement for Adam in an image encoder: it flattens
#   kernels [out in height width] to matrices, as everybody does, and computes in the precision of
#   the parameters, as torch's other optimisers do.
# True: any parameter that isn't 2-D is refused, and the Newton-Schulz iterations run in bfloat16
#   whatever the parameters are: every number of an update of float64 parameters is a bfloat16. On a
#   CPU without bfloat16 instructions the same iterations take several times as long as in float32
#   (printed, not checked: it depends on the processor).
# Why it matters here: students are convolutional, trained for minutes on CPUs, and Muon saves 60 % of
#   their steps; pipeline/distillation/muon.py is therefore an optimiser of its own.
# Found with torch 2.13.0, 2026-11-28.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'torch==2.13.0' numpy \
  2>"$work/pip.log" || { cat "$work/pip.log"; exit 2; }
cat > "$work/muon.py" <<'PY'
import time

import torch

torch.manual_seed(0)
torch.set_num_threads(1)
print("torch", torch.__version__)
try:
    torch.optim.Muon([torch.nn.Parameter(torch.randn(8, 4, 3, 3))])
    refused = False
except ValueError as error:
    refused = True
    print("a 3x3 kernel:", error)

matrix = torch.nn.Parameter(torch.zeros(64, 64, dtype=torch.float64))
optimizer = torch.optim.Muon([matrix], lr=1.0, weight_decay=0.0)
matrix.grad = torch.randn(64, 64, dtype=torch.float64)
optimizer.step()
update = -matrix.detach()
rounded = bool((update == update.bfloat16().double()).all())
print("every number of a float64 update is a bfloat16:", rounded)


def iterations(x):
    for _ in range(5):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=-4.775, alpha=2.0315), x, beta=3.4445)
    return x


def seconds(dtype):
    x = (torch.randn(192, 864) / 500).to(dtype)
    iterations(x)
    started = time.perf_counter()
    for _ in range(3):
        iterations(x)
    return (time.perf_counter() - started) / 3


ratio = seconds(torch.bfloat16) / seconds(torch.float32)
print(f"five iterations of a 192x864 matrix: bfloat16 takes {ratio:.1f} times as long as float32")
raise SystemExit(not (refused and rounded))
PY
"$work/venv/bin/python" "$work/muon.py"
# Output on 2026-11-28:
#   torch 2.13.0+cpu
#   a 3x3 kernel: Muon only supports 2D parameters whereas we found a parameter with size: torch.Size([8, 4, 3, 3])
#   every number of a float64 update is a bfloat16: True
#   five iterations of a 192x864 matrix: bfloat16 takes 2.2 times as long as float32   (AVX-512 without bfloat16)
