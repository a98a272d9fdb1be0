#!/usr/bin/env bash
# webdataset decodes a 16-bit depth map to white, and darkens floats that it writes by half a level.
#
# One would guess: .decode("l") of a shard's depth.png gives depth / 65535 as floats, or refuses 16 bits;
#   a float picture in [0, 1] that a TarWriter writes as png is rounded to the nearest of 256 levels.
# True: every image handler ("l8", "l", "torchl", "rgb8", "rgb", "torchrgb", "pill", "pilrgb", "pil") turns
#   the picture into 8 bits by Pillow's convert, which clips: whatever is above 255 of 65535 is 255, 1.0 for
#   the float ones. A depth map in millimetres is white beyond 255 mm, with the right shape and type and no
#   warning. The bytes in the shard are whole: without .decode for that key, Image.open gives all 16 bits.
#   When writing, floats are multiplied by 255 and cut off, so 254.9 becomes 254: a picture is .5 levels
#   darker on average (up to 1), each time that it goes through a shard.
# Why it matters here: shards of this field hold 16-bit depth beside images, and a student that is trained
#   on clipped depth learns a flat head. Ours hold depth as float32, decode their own entries, and round.
# Found with webdataset 1.0.2, pillow 13.0.0, numpy 2.4.6, 2026-11-30.
# Output on 2026-11-30:
#   webdataset 1.0.2, pillow 13.0.0
#   depth [0, 100, 255, 256, 1000, 65535]
#     l8: uint8 [0.0, 100.0, 255.0, 255.0, 255.0, 255.0]
#     l: float32 [0.0, 0.392, 1.0, 1.0, 1.0, 1.0]
#     torchl: float32 [0.0, 0.392, 1.0, 1.0, 1.0, 1.0]
#     rgb: float32 [0.0, 0.392, 1.0, 1.0, 1.0, 1.0]
#     torchrgb: float32 [0.0, 0.392, 1.0, 1.0, 1.0, 1.0]
#     pil: uint8 [0.0, 100.0, 255.0, 255.0, 255.0, 255.0]
#     undecoded: uint16 [0, 100, 255, 256, 1000, 65535]
#   a float picture, written and read: -0.50 levels on average, -1.00 at most
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  'webdataset==1.0.2' 'pillow==13.0.0' 'numpy==2.4.6' 'torch==2.13.0' 2>"$work/pip.log" || { cat "$work/pip.log"; exit 2; }
cat > "$work/depth.py" <<'PY'
import io
import sys
from importlib.metadata import version

import numpy as np
import webdataset as wds
from PIL import Image

shard = f"{sys.argv[1]}/shard.tar"
print(f"webdataset {version('webdataset')}, pillow {version('pillow')}")


def through(entry, value, *decode):
    with wds.TarWriter(shard) as writer:
        writer.write({"__key__": "head", entry: value})
    dataset = wds.WebDataset(shard, shardshuffle=False)
    (sample,) = dataset.decode(*decode) if decode else dataset
    return sample[entry]


depth = np.array([[0, 100, 255, 256, 1000, 65535]], np.uint16)
file = io.BytesIO()
Image.fromarray(depth).save(file, "PNG")
print("depth", depth[0].tolist())
for handler, white in {"l8": 255, "l": 1, "torchl": 1, "rgb": 1, "torchrgb": 1, "pil": 255}.items():
    levels = np.asarray(through("depth.png", file.getvalue(), handler))
    if levels.ndim == 3:  # the colours are equal
        levels = levels[0] if handler == "torchrgb" else levels[..., 0]
    print(f"  {handler}: {levels.dtype} {np.round(levels[0].astype(float), 3).tolist()}")
    assert (levels[0, 2:] == white).all()
whole = np.asarray(Image.open(io.BytesIO(through("depth.png", file.getvalue()))))
print(f"  undecoded: {whole.dtype} {whole[0].tolist()}")
assert (whole == depth).all()

picture = np.linspace(0, 1, 1024, dtype=np.float32).reshape(32, 32, 1).repeat(3, 2)
back = through("picture.png", picture, "rgb")
error = 255 * (back - picture)
print(f"a float picture, written and read: {error.mean():+.2f} levels on average, {error.min():+.2f} at most")
assert -0.55 < error.mean() < -0.45 and error.max() < 0.01
PY
"$work/venv/bin/python" "$work/depth.py" "$work"
