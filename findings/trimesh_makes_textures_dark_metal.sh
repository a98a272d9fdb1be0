#!/usr/bin/env bash
# A mesh with a texture, exported by trimesh, is 40 % as bright as its texture, and made of metal.
#
# One would guess: TextureVisuals(uv, image=picture) is a mesh that looks like the picture, and
#   export("head.glb") writes the picture as its base colour.
# True: the picture gets a material that nobody asked for: its diffuse colour is (.4, .4, .4), and of
#   metalness it says nothing. The GLB therefore has baseColorFactor .4, by which glTF multiplies the
#   texture in linear light (skin of 200 becomes 132), and no metallicFactor, for which glTF's default
#   is 1: a metal, which shows only what it mirrors. An OBJ says Kd 0.4. The picture itself is written
#   unchanged, so a test that reads the texture back finds nothing. PBRMaterial(baseColorTexture=…,
#   baseColorFactor=…, metallicFactor=0) writes what one means.
# Why it matters here: heads are exported with textures from renderings or photographs and judged by eye
#   and by PSNR in other programs. Such a file is a plausible, dark head. Ours writes glTF itself, unlit.
# Found with trimesh 5.2.0, numpy 2.4.6, pillow 13.0.0, 2026-11-29.
# Output on 2026-11-29:
#   trimesh 5.2.0
#   image=: factor [0.4, 0.4, 0.4], metalness 1.0; (200, 150, 120) is read back as (200, 150, 120), shown as (132, 98, 77)
#   PBRMaterial: factor [1.0, 1.0, 1.0], metalness 0.0; (200, 150, 120) is read back as (200, 150, 120), shown as (200, 150, 120)
#   OBJ: Kd 0.40000000 0.40000000 0.40000000
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  'trimesh==5.2.0' 'numpy==2.4.6' 'pillow==13.0.0' 2>"$work/pip.log" || { cat "$work/pip.log"; exit 2; }
cat > "$work/head.py" <<'PY'
import io
import json
import pathlib
import sys

import numpy as np
import trimesh
from PIL import Image
from trimesh.visual import TextureVisuals
from trimesh.visual.material import PBRMaterial

SKIN = (200, 150, 120)
folder = pathlib.Path(sys.argv[1])
picture = Image.new("RGB", (8, 8), SKIN)
corners = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]
uv = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float)


def exported(visual):
    """Base colour factor and metalness of a GLB (glTF 2.0: 1 where the file says nothing)."""
    mesh = trimesh.Trimesh(corners, [[0, 1, 2], [0, 2, 3]], visual=visual, process=False)
    data = mesh.export(file_type="glb")
    length = int.from_bytes(data[12:16], "little")
    (material,) = json.loads(data[20 : 20 + length])["materials"]
    told = material["pbrMetallicRoughness"]
    assert "baseColorTexture" in told
    back = trimesh.load(io.BytesIO(data), file_type="glb", force="mesh")
    texture = back.visual.material.baseColorTexture.convert("RGB").getpixel((4, 4))
    return told.get("baseColorFactor", [1.0] * 4)[:3], told.get("metallicFactor", 1.0), texture


def shown(level, factor):
    """An sRGB level, times a factor in linear light, in sRGB."""
    c = level / 255
    linear = factor * (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4)
    return round(255 * (12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055))


print("trimesh", trimesh.__version__)
found = {
    "image=": exported(TextureVisuals(uv=uv, image=picture)),
    "PBRMaterial": exported(
        TextureVisuals(
            uv=uv,
            material=PBRMaterial(
                baseColorTexture=picture, baseColorFactor=[255, 255, 255, 255], metallicFactor=0.0
            ),
        )
    ),
}
for name, (factor, metal, texture) in found.items():
    seen = tuple(shown(level, f) for level, f in zip(SKIN, factor))
    print(f"{name}: factor {factor}, metalness {metal}; {SKIN} is read back as {texture}, shown as {seen}")
trimesh.Trimesh(
    corners, [[0, 1, 2], [0, 2, 3]], visual=TextureVisuals(uv=uv, image=picture), process=False
).export(folder / "head.obj")
(library,) = folder.glob("*.mtl")
kd = next(line for line in library.read_text().splitlines() if line.startswith("Kd"))
print("OBJ:", kd)
dark, meant = found["image="], found["PBRMaterial"]
as_described = (
    np.allclose(dark[0], 0.4, atol=0.01) and dark[1] == 1 and dark[2] == SKIN
    and meant[0] == [1.0] * 3 and meant[1] == 0 and np.allclose([float(k) for k in kd.split()[1:]], 0.4, atol=0.01)
)
sys.exit(0 if as_described else "the behaviour has changed")
PY
"$work/venv/bin/python" "$work/head.py" "$work"
