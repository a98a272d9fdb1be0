"""Wavefront OBJ with its MTL: world units; colours behind the coordinates (sRGB, as MeshLab and
Blender read them), or a texture.
"""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.runs.files import write_bytes, write_text

from .mesh import Mesh


def write_obj(path: Path, mesh: Mesh) -> list[Path]:
    """Writes NAME.obj, NAME.mtl and, with a texture, NAME.png.

    Returns:
        the files.
    """
    files = [path, path.with_suffix(".mtl")]
    material = ["newmtl head", "Ka 0 0 0", "Kd 1 1 1", "Ks 0 0 0", "illum 0"]
    numbers, corner = [mesh.vertices], "{0}//{0}"
    if mesh.texture is not None:
        picture = io.BytesIO()
        Image.fromarray(mesh.texture.image).save(picture, "PNG")
        files.append(path.with_suffix(".png"))
        write_bytes(files[-1], picture.getvalue())
        material.append(f"map_Kd {files[-1].name}")
        corner = "{0}/{0}/{0}"
    else:
        numbers.append(mesh.colors)
    write_text(files[1], "\n".join(material) + "\n")
    text = io.StringIO()
    text.write(f"# trilift; metres_per_unit {mesh.metres_per_unit:.6g}; y up, face along +z\n")
    text.write(f"mtllib {files[1].name}\nusemtl head\n")
    np.savetxt(text, np.concatenate(numbers, 1), fmt="%.6g", header="v ", comments="")
    lines = text.getvalue().splitlines()
    start = lines.index("v ")
    body = [*lines[:start], *(f"v {line}" for line in lines[start + 1 :])]
    body += [f"vn {x:.4f} {y:.4f} {z:.4f}" for x, y, z in mesh.normals()]
    if mesh.texture is not None:
        body += [f"vt {u:.6f} {v:.6f}" for u, v in mesh.texture.uv]
    body += ["f " + " ".join(corner.format(number) for number in face) for face in mesh.faces + 1]
    write_text(path, "\n".join(body) + "\n")
    return files
