"""What can be written of a lifted identity, by name."""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from pipeline.inference.reconstructor import LiftedPortrait
from pipeline.manifests.signing import drop_sidecars

from .display_files import DisplaySettings, write_quilt, write_stereo
from .field import Field
from .glb import write_glb
from .head_mesh import MeshSettings, head_mesh, under_a_picture
from .mesh import Mesh
from .obj import write_obj
from .ply import write_ply
from .splat_refinement import refined
from .splats import Splats, SplatSettings, surface_splats, write_splat_ply
from .spz import write_spz
from .usdz import write_usdz

MESHES = ("glb", "ply", "obj", "usdz")
SPLATS = {
    "splat_ply": ("head_splats.ply", write_splat_ply),
    "spz": ("head_splats.spz", write_spz),
}
FORMATS = (*MESHES, *SPLATS, "quilt", "stereo")

LIBRARIES = {
    "skimage": (*MESHES, *SPLATS),
    "fast_simplification": MESHES,
    "xatlas": MESHES,
    "pxr": ("usdz",),
}
"""The modules of the extra `export`, and the formats that need them."""


def chosen_formats(given: object) -> tuple[str, ...]:
    """The formats of a setting: one name, names with commas between them, or a list.

    Raises:
        ValueError: a name isn't one, none is given, or a library is missing.
    """
    names = given.split(",") if isinstance(given, str) else given
    if not isinstance(names, Sequence) or not names:
        raise ValueError(f"format is {given!r}: give some of {', '.join(FORMATS)}")
    chosen = tuple(dict.fromkeys(str(name).strip() for name in names))
    if wrong := [name for name in chosen if name not in FORMATS]:
        raise ValueError(f"format {wrong[0]!r} is unknown: give some of {', '.join(FORMATS)}")
    for module, formats in LIBRARIES.items():
        if set(formats) & set(chosen) and importlib.util.find_spec(module) is None:
            raise ValueError(
                f"format={','.join(chosen)} needs {module}: pip install 'trilift[export]'"
            )
    return chosen


@dataclass(frozen=True)
class FileSettings:
    """How files are made, by kind."""

    mesh: MeshSettings = field(default_factory=MeshSettings)
    splats: SplatSettings = field(default_factory=SplatSettings)
    displays: DisplaySettings = field(default_factory=DisplaySettings)


@dataclass
class HeadFiles:
    """Writes the files of one identity; the mesh is made once for all formats.

    Attributes:
        portrait: the identity.
        settings: of the files.
    """

    portrait: LiftedPortrait
    settings: FileSettings

    @cached_property
    def field(self) -> Field:
        """Of the identity."""
        return Field(self.portrait)

    @cached_property
    def mesh(self) -> Mesh:
        """Its surface with colours of the vertices."""
        return head_mesh(self.field, self.settings.mesh)

    @cached_property
    def pictured(self) -> Mesh:
        """The same under a texture, if one is asked for."""
        return under_a_picture(self.mesh, self.field, self.settings.mesh)

    @cached_property
    def splats(self) -> Splats:
        """Discs of a mesh of their own resolution, fitted to the field's pictures."""
        resolution, steps = self.settings.splats.resolution, self.settings.splats.refine
        mesh = head_mesh(
            self.field, replace(self.settings.mesh, resolution=resolution, faces=None, texture=None)
        )
        spacing = self.field.box_size / resolution
        splats = surface_splats(mesh, spacing)
        return refined(splats, self.portrait, spacing=spacing, steps=steps) if steps else splats

    def write(self, folder: Path, formats: Sequence[str]) -> list[Path]:
        """Writes the files of each format; missing folders are made.

        The manifests beside earlier files of these names are removed.

        Returns:
            the files.
        """
        folder.mkdir(parents=True, exist_ok=True)
        files = [path for name in formats for path in self._write(name, folder)]
        drop_sidecars(files)
        return files

    def _write(self, name: str, folder: Path) -> list[Path]:
        if name in SPLATS:
            file, write_splats = SPLATS[name]
            write_splats(folder / file, self.splats)
            return [folder / file]
        if name in ("quilt", "stereo"):
            write = write_quilt if name == "quilt" else write_stereo
            scale = self.settings.mesh.metres_per_unit
            return write(folder, self.portrait, self.settings.displays, scale)
        path = folder / f"head.{name}"
        if name == "obj":
            return write_obj(path, self.pictured)
        if name == "ply":  # has no textures
            write_ply(path, self.mesh)
        else:
            {"glb": write_glb, "usdz": write_usdz}[name](path, self.pictured)
        return [path]
