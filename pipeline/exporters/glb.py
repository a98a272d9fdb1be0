"""Binary glTF 2.0 (Khronos): metres, y up, the face along +z, unlit.

glTF's default material is a metal, under which a head is black, and its colours are linear; hence
KHR_materials_unlit and linear 16-bit COLOR_0. A texture stays sRGB, as glTF wants it.
"""

import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline.runs.files import write_bytes

from .colors import to_linear
from .mesh import Mesh

FLOAT, UNSIGNED_SHORT, UNSIGNED_INT = 5126, 5123, 5125
VERTICES, INDICES = 34962, 34963


class Buffers:
    """The binary chunk with its views and accessors, four-byte aligned."""

    def __init__(self) -> None:
        self.content = b""
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def view(self, content: bytes, **fields: Any) -> int:
        """The number of a new view."""
        self.views.append(
            {"buffer": 0, "byteOffset": len(self.content), "byteLength": len(content), **fields}
        )
        self.content += content + b"\0" * (-len(content) % 4)
        return len(self.views) - 1

    def accessor(self, values: np.ndarray, component: int, kind: str, **fields: Any) -> int:
        """The number of a new accessor."""
        target = INDICES if kind == "SCALAR" else VERTICES
        view = self.view(np.ascontiguousarray(values).tobytes(), target=target)
        self.accessors.append(
            {
                "bufferView": view,
                "componentType": component,
                "count": len(values),
                "type": kind,
                **fields,
            }
        )
        return len(self.accessors) - 1


def write_glb(path: Path, mesh: Mesh) -> None:
    """Writes one file with everything in it; it appears whole or not at all."""
    write_bytes(path, glb(mesh))


def glb(mesh: Mesh) -> bytes:
    """The bytes of the file."""
    buffers = Buffers()
    places = (mesh.vertices * mesh.metres_per_unit).astype("<f4")
    attributes = {
        "POSITION": buffers.accessor(
            places, FLOAT, "VEC3", min=places.min(0).tolist(), max=places.max(0).tolist()
        ),
        "NORMAL": buffers.accessor(mesh.normals().astype("<f4"), FLOAT, "VEC3"),
    }
    material: dict[str, Any] = {
        "name": "head",
        "extensions": {"KHR_materials_unlit": {}},
        # for programs that don't know the extension
        "pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 1.0},
    }
    scene: dict[str, Any] = {}
    if mesh.texture is None:
        linear = np.ones((len(places), 4))
        linear[:, :3] = to_linear(mesh.colors)
        attributes["COLOR_0"] = buffers.accessor(
            np.round(linear * 65535).astype("<u2"), UNSIGNED_SHORT, "VEC4", normalized=True
        )
    else:
        uv = mesh.texture.uv * [1, -1] + [0, 1]  # glTF counts v downwards
        attributes["TEXCOORD_0"] = buffers.accessor(uv.astype("<f4"), FLOAT, "VEC2")
        picture = io.BytesIO()
        Image.fromarray(mesh.texture.image).save(picture, "PNG")
        scene = {
            "images": [{"bufferView": buffers.view(picture.getvalue()), "mimeType": "image/png"}],
            "samplers": [{"magFilter": 9729, "minFilter": 9729, "wrapS": 33071, "wrapT": 33071}],
            "textures": [{"source": 0, "sampler": 0}],
        }
        material["pbrMetallicRoughness"]["baseColorTexture"] = {"index": 0}
    indices = buffers.accessor(mesh.faces.ravel().astype("<u4"), UNSIGNED_INT, "SCALAR")
    document = {
        "asset": {
            "version": "2.0",
            "generator": "trilift",
            "extras": {"metres_per_unit": mesh.metres_per_unit},
        },
        "extensionsUsed": ["KHR_materials_unlit"],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": "head"}],
        "meshes": [{"primitives": [{"attributes": attributes, "indices": indices, "material": 0}]}],
        "materials": [material],
        **scene,
        "accessors": buffers.accessors,
        "bufferViews": buffers.views,
        "buffers": [{"byteLength": len(buffers.content)}],
    }
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    length = 12 + 8 + len(text) + 8 + len(buffers.content)
    return b"".join(
        [
            struct.pack("<4sII", b"glTF", 2, length),
            struct.pack("<I4s", len(text), b"JSON"),
            text,
            struct.pack("<I4s", len(buffers.content), b"BIN\0"),
            buffers.content,
        ]
    )
