#!/usr/bin/env bash
# wandb.Image no longer scales floats: a tensor in [0, 1] is logged black, one in [-1, 1] black and white.
#
# One would guess: wandb.Image(tensor) maps a float picture to bytes, as it did for years, or refuses it.
# True: 0.31 casts it: .5 becomes 0, 1.0 becomes 1 of 255, -1 wraps round to 255. `normalize=` is gone, and
#   so is the warning by which 0.20 announced this. The PNG has the right size, and the docstring speaks of
#   the order of axes only. Lightning's WandbLogger.log_image passes tensors on: a training that logged good
#   pictures logs black ones after an update. (0.20 guessed the range from the values: a picture of [-1, 1]
#   without dark pixels was taken for one of [0, 1].)
# Why it matters here: everything in this field is in [-1, 1]. Ours gives wandb only PNG files that it wrote.
# Found with wandb 0.31.0 and 0.20.1, numpy 2.4.6, pillow 12.0.0, 2026-11-30.
# Output on 2026-11-30:
#   wandb 0.20.1: normalize= True
#     [0, 1] [0, 0.25, 0.5, 1]: [0, 63, 127, 255]
#     [-1, 1] [-1, -0.5, 0.5, 1]: [0, 63, 191, 255]
#     [-1, 1], bright [0, 0.25, 0.5, 1]: [0, 63, 127, 255]
#     bytes [0, 64, 128, 255]: [0, 64, 128, 255]
#   wandb 0.31.0: normalize= False
#     [0, 1] [0, 0.25, 0.5, 1]: [0, 0, 0, 1]
#     [-1, 1] [-1, -0.5, 0.5, 1]: [255, 0, 0, 1]
#     [-1, 1], bright [0, 0.25, 0.5, 1]: [0, 0, 0, 1]
#     bytes [0, 64, 128, 255]: [0, 64, 128, 255]
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cat > "$work/levels.py" <<'PY'
import inspect
import os

os.environ["WANDB_MODE"] = "disabled"
import numpy as np
import wandb

PICTURES = {
    "[0, 1]": [0, 0.25, 0.5, 1],
    "[-1, 1]": [-1, -0.5, 0.5, 1],
    "[-1, 1], bright": [0, 0.25, 0.5, 1],
    "bytes": [0, 64, 128, 255],
}
print(f"wandb {wandb.__version__}: normalize= {'normalize' in inspect.signature(wandb.Image).parameters}")
logged = {}
for name, levels in PICTURES.items():
    kind = np.uint8 if name == "bytes" else np.float32
    picture = np.broadcast_to(np.array(levels, kind)[None, :, None], (4, 4, 3)).copy()
    logged[name] = np.asarray(wandb.Image(picture).image)[0, :, 0].tolist()
    print(f"  {name} {levels}: {logged[name]}")
assert logged["bytes"] == PICTURES["bytes"]
if wandb.__version__.startswith("0.31"):
    assert logged["[0, 1]"] == [0, 0, 0, 1]
    assert logged["[-1, 1]"] == [255, 0, 0, 1]
else:
    assert logged["[0, 1]"] == [0, 63, 127, 255] == logged["[-1, 1], bright"]
    assert logged["[-1, 1]"] == [0, 63, 191, 255]
PY
for version in 0.20.1 0.31.0; do
  python3 -m venv "$work/$version"
  "$work/$version/bin/pip" install --quiet --disable-pip-version-check "wandb==$version" \
    'numpy==2.4.6' 'pillow==12.0.0' 2>"$work/pip.log" || { cat "$work/pip.log"; exit 2; }
  "$work/$version/bin/python" "$work/levels.py"
done
