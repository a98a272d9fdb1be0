#!/usr/bin/env bash
# antialias=True changes torch's bicubic *enlargement*, where there is nothing to filter.
#
# One would guess: F.interpolate(…, antialias=True) widens the kernel when a picture shrinks, and does
#   nothing when it grows; torch's documentation speaks of shrinking only. So one call with
#   antialias=True may serve both directions.
# True: the flag also swaps the kernel: bicubic has a = -.75 without it, and -.5 with it, as Pillow has,
#   at any size. White noise of deviation 1, enlarged, differs by up to .25, also where one side only
#   grows; an edge overshoots by 11 % without the flag and by 7 % with it. Bilinear doesn't differ.
# Why it matters here: position embeddings of a ViT are enlarged bicubically for larger photographs; with
#   the other setting the same weights are another encoder. Renderings are enlarged for losses, scores
#   and sheets by the call that shrinks others.
# Found with torch 2.13.0 (CPU), pillow 13.0.0, numpy 2.4.6, 2026-11-29.
# Output on 2026-11-29:
#   torch 2.13.0+cpu pillow 13.0.0
#   bilinear, 16 x 16 to 32 x 32: the flag changes 0.0000; from Pillow without it 0.0000, with it 0.0000
#   bilinear, 16 x 16 to 37 x 37: the flag changes 0.0000; from Pillow without it 0.0000, with it 0.0000
#   bilinear, 16 x 16 to 16 x 32: the flag changes 0.0000; from Pillow without it 0.0000, with it 0.0000
#   bicubic, 16 x 16 to 32 x 32: the flag changes 0.2530; from Pillow without it 0.2530, with it 0.0000
#   bicubic, 16 x 16 to 37 x 37: the flag changes 0.2480; from Pillow without it 0.2480, with it 0.0000
#   bicubic, 16 x 16 to 16 x 32: the flag changes 0.2026; from Pillow without it 0.2026, with it 0.0000
#   an edge overshoots by 0.110 without the flag, by 0.073 with it
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  'torch==2.13.0' 'pillow==13.0.0' 'numpy==2.4.6' 2>"$work/pip.log" || { cat "$work/pip.log"; exit 2; }
cat > "$work/larger.py" <<'PY'
import sys

import numpy as np
import torch
from PIL import Image, __version__
from torch.nn import functional as F

print("torch", torch.__version__, "pillow", __version__)
noise = torch.randn(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))


def pillow(mode, height, width):
    kind = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}[mode]
    resized = Image.fromarray(noise[0, 0].numpy()).resize((width, height), kind)
    return torch.from_numpy(np.array(resized))[None, None]


found = {}
for mode in ("bilinear", "bicubic"):
    for size in ((32, 32), (37, 37), (16, 32)):
        plain = F.interpolate(noise, size, mode=mode)
        flagged = F.interpolate(noise, size, mode=mode, antialias=True)
        reference = pillow(mode, *size)
        found[mode, size] = [
            (one - other).abs().max().item()
            for one, other in ((plain, flagged), (plain, reference), (flagged, reference))
        ]
        print(
            f"{mode}, 16 x 16 to {size[0]} x {size[1]}: the flag changes {found[mode, size][0]:.4f};"
            f" from Pillow without it {found[mode, size][1]:.4f}, with it {found[mode, size][2]:.4f}"
        )
edge = torch.zeros(1, 1, 16, 16)
edge[..., 8:] = 1
over = [
    F.interpolate(edge, (64, 64), mode="bicubic", antialias=flag).max().item() - 1
    for flag in (False, True)
]
print(f"an edge overshoots by {over[0]:.3f} without the flag, by {over[1]:.3f} with it")
as_described = (
    all(max(off) < 1e-4 for (mode, _), off in found.items() if mode == "bilinear")
    and all(
        off[0] > 0.15 and off[1] > 0.15 and off[2] < 1e-4
        for (mode, _), off in found.items()
        if mode == "bicubic"
    )
    and over[0] > over[1] + 0.02
)
sys.exit(0 if as_described else "the behaviour has changed")
PY
"$work/venv/bin/python" "$work/larger.py"
