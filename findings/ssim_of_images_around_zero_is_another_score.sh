#!/usr/bin/env bash
# SSIM of the same two images differs between [-1, 1] and [0, 1], although each gets its right data_range.
#
# One would guess: data_range says what white minus black is, so SSIM doesn't depend on the scale: images
#   in [-1, 1] with data_range=2, or with torchmetrics' data_range=(-1, 1), score as in [0, 1] with 1.
# True: SSIM compares local means as a ratio, and so needs 0 to be black. Around 0 a mean has no size: a
#   dim photograph of a face, to which 5 % of white are added, keeps .92 in [0, 1] and .46 in [-1, 1].
#   torchmetrics' tuple clamps, but doesn't shift. torchmetrics, kornia and scikit-image agree on it.
#   Of a bright photograph the difference is small, as is MS-SSIM's, which compares the means of its
#   coarsest scale only.
# Why it matters here: generators and students work in [-1, 1], and a published SSIM is one of [0, 1] or
#   [0, 255]. The score stays plausible, and punishes exposure where faces are grey. Ours was of
#   [-1, 1] until this was run.
# Found with torchmetrics 1.9.0, kornia 0.9.0, scikit-image 0.26.0, torch 2.13.0, 2026-11-29.
# Output on 2026-11-29:
#   torch 2.13.0+cpu
#   torchmetrics 1.9.0
#   kornia 0.9.0
#   scikit-image 0.26.0
#   light 1.0, torchmetrics: 0.937 in [0, 1], 0.893 in [-1, 1]
#   light 1.0, kornia: 0.937 in [0, 1], 0.893 in [-1, 1]
#   light 1.0, scikit-image: 0.938 in [0, 1], 0.887 in [-1, 1]
#   light 1.0, MS-SSIM (torchmetrics): 0.999 in [0, 1], 0.968 in [-1, 1]
#   light 0.6, torchmetrics: 0.918 in [0, 1], 0.456 in [-1, 1]
#   light 0.6, kornia: 0.918 in [0, 1], 0.456 in [-1, 1]
#   light 0.6, scikit-image: 0.918 in [0, 1], 0.473 in [-1, 1]
#   light 0.6, MS-SSIM (torchmetrics): 0.998 in [0, 1], 0.964 in [-1, 1]
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  'torch==2.13.0' 'torchmetrics==1.9.0' 'kornia==0.9.0' 'scikit-image==0.26.0' 'numpy==2.4.6' \
  2>"$work/pip.log" || { cat "$work/pip.log"; exit 2; }
cat > "$work/score.py" <<'PY'
import importlib.metadata
import sys

import torch
from kornia.metrics import ssim as kornia_ssim
from skimage.data import astronaut
from skimage.metrics import structural_similarity
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure as ms_ssim
from torchmetrics.functional.image import structural_similarity_index_measure as ssim

for name in ("torch", "torchmetrics", "kornia", "scikit-image"):
    print(name, importlib.metadata.version(name))
face = astronaut()[0:224, 112:336]  # a public photograph, in scikit-image's package
photograph = torch.from_numpy(face).permute(2, 0, 1)[None].float() / 255


def scikit(one, other, span):
    one, other = (x[0].permute(1, 2, 0).double().numpy() for x in (one, other))
    return structural_similarity(
        one, other, data_range=span, channel_axis=-1, gaussian_weights=True, sigma=1.5,
        use_sample_covariance=False,
    )


def scores(one, other, span, torchmetrics_range):
    return {
        "torchmetrics": ssim(one, other, data_range=torchmetrics_range).item(),
        "kornia": kornia_ssim(one, other, 11, max_val=span).mean().item(),
        "scikit-image": scikit(one, other, span),
        "MS-SSIM (torchmetrics)": ms_ssim(one, other, data_range=span).item(),
    }


as_described = True
for light in (1.0, 0.6):
    image = light * photograph
    brighter = (image + 0.05).clamp(0, 1)
    usual = scores(brighter, image, 1.0, (0.0, 1.0))
    centred = scores(2 * brighter - 1, 2 * image - 1, 2.0, (-1.0, 1.0))
    for name in usual:
        print(f"light {light}, {name}: {usual[name]:.3f} in [0, 1], {centred[name]:.3f} in [-1, 1]")
    as_described &= all(usual[name] - centred[name] > 0.02 for name in usual)
sys.exit(0 if as_described else "the behaviour has changed")
PY
"$work/venv/bin/python" "$work/score.py" 2>/dev/null
