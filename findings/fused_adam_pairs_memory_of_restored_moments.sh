#!/usr/bin/env bash
# A fused Adam on the CPU updates channels_last weights with the wrong moments, once these were saved
# as safetensors.
#
# One would guess: an optimiser pairs weight, gradient and moments element by element, whatever their
#   strides; or it says that it can't.
# True: safetensors has no strides, and refuses tensors that aren't contiguous: whoever saves an
#   optimiser's state makes it contiguous, and `load_state_dict` keeps that layout. Adam(fused=True) on
#   the CPU then walks the memory of all four side by side: each moment meets another weight. Nothing
#   is raised, losses stay plausible. The loop over tensors (fused=False, foreach=True) is right.
# Why it matters here: trainings on CPUs use channels_last (their convolutions are faster) and may
#   use fused=True, and go on from safetensors after every slice. The restored moments need the
#   strides of their weights (torch.empty_like(weight).copy_(moment)).
# Found with torch 2.13.0, safetensors 0.8.0, 2026-11-30.
# Output on 2026-11-30:
#   torch 2.13.0+cpu, safetensors 0.8.0: 3 + 3 steps against 6, largest difference
#   loop     state as it was      0.0e+00
#   loop     through safetensors  0.0e+00
#   foreach  state as it was      0.0e+00
#   foreach  through safetensors  0.0e+00
#   fused    state as it was      0.0e+00
#   fused    through safetensors  4.4e-02
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'torch==2.13.0' 'safetensors==0.8.0' numpy \
  2>"$work/pip.log" || { cat "$work/pip.log"; exit 2; }
cat > "$work/moments.py" <<'PY'
import copy
import sys
from importlib.metadata import version

import torch
from safetensors.torch import load, save

INPUT = torch.randn(4, 6, 8, 8, generator=torch.Generator().manual_seed(1))


def network():
    torch.manual_seed(0)
    return torch.nn.Conv2d(6, 5, 3).to(memory_format=torch.channels_last)


def steps(net, adam, count):
    for _ in range(count):
        adam.zero_grad()
        net(INPUT).square().mean().backward()
        adam.step()


def restored(state):
    """Through safetensors, as a training state is: contiguous, or it is refused."""
    again = copy.deepcopy(state)
    for moments in again["state"].values():
        tensors = {name: value.contiguous() for name, value in moments.items()}
        moments.update(load(save(tensors)))
    return again


def difference(restore, **how):
    whole, half = network(), network()
    make = lambda net: torch.optim.Adam(net.parameters(), lr=0.01, **how)
    steps(whole, make(whole), 6)
    first = make(half)
    steps(half, first, 3)
    second = make(half)
    second.load_state_dict(restore(first.state_dict()))
    steps(half, second, 3)
    pairs = zip(whole.parameters(), half.parameters(), strict=True)
    return max((one - other).abs().max().item() for one, other in pairs)


print(f"torch {version('torch')}, safetensors {version('safetensors')}: 3 + 3 steps against 6, largest difference")
found = {}
for name, how in {"loop": {"foreach": False}, "foreach": {"foreach": True}, "fused": {"fused": True}}.items():
    for kind, restore in {"state as it was": copy.deepcopy, "through safetensors": restored}.items():
        found[name, kind] = difference(restore, **how)
        print(f"{name:8} {kind:20} {found[name, kind]:.1e}")
wrong = {key for key, value in found.items() if value > 1e-4}
sys.exit(0 if wrong == {("fused", "through safetensors")} else 1)
PY
"$work/venv/bin/python" "$work/moments.py"
