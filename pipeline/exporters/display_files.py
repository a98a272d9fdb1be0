"""A lifted identity → pictures for displays: a quilt, a stereo pair, an anaglyph.

Every file says in its text (PNG's `Description`) from where it was drawn, in metres.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pipeline.inference.reconstructor import LiftedPortrait
from pipeline.pictures import labelled
from pipeline.runs.files import replaced_file

from .off_axis import RAYS, Frame, depth_of_head, pictures
from .quilt import layout_named, quilted
from .stereo import anaglyph, side_by_side


@dataclass(frozen=True)
class DisplaySettings:
    """How a head is shown on displays.

    Attributes:
        quilt: the display by name (`pipeline.exporters.quilt.DISPLAYS`).
        view_cone_deg: angle between a quilt's outermost cameras, at the plane of convergence.
        interpupillary_distance: metres between the cameras of a stereo pair.
        convergence: metres from the camera to the plane that lies in the screen; None: the head's
            depth (`depth_of_head`).
        rays: side of a picture of teachers without super-resolution.
        label: is written on every view, and so lies in the plane of the screen; None: nothing.

    Raises:
        ValueError: one of them is out of range.
    """

    quilt: str = "portrait"
    view_cone_deg: float | int = 35.0
    interpupillary_distance: float | int = 0.063
    convergence: float | int | None = None
    rays: int = RAYS
    label: str | None = None

    def __post_init__(self) -> None:
        layout_named(self.quilt)
        if not 0 < self.view_cone_deg <= 90:
            raise ValueError(f"displays.view_cone_deg is {self.view_cone_deg}: give 0 to 90")
        if not 0 < self.interpupillary_distance <= 1:
            raise ValueError(
                f"displays.interpupillary_distance is {self.interpupillary_distance}: give metres,"
                " 0.063 between a grown-up's eyes"
            )
        if self.convergence is not None and not self.convergence > 0:
            raise ValueError(
                f"displays.convergence is {self.convergence}: give metres in front of the camera,"
                " or null for the head's depth"
            )
        if not 16 <= self.rays <= 2048:
            raise ValueError(f"displays.rays is {self.rays}: give 16 to 2048")


def write_quilt(
    folder: Path, portrait: LiftedPortrait, settings: DisplaySettings, metres_per_unit: float
) -> list[Path]:
    """Writes head_qs{columns}x{rows}a{aspect}.png of the display that the settings name.

    Raises:
        ValueError: the head can't be seen.
    """
    layout = layout_named(settings.quilt)
    camera = portrait.orbit()
    distance = _convergence(portrait, settings, metres_per_unit)
    views = pictures(
        portrait,
        camera,
        layout.offsets(distance, settings.view_cone_deg),
        convergence=distance,
        frame=layout.tile,
        rays=settings.rays,
    )
    path = folder / layout.file_name
    told = (
        f"quilt, {layout.columns * layout.rows} views over {settings.view_cone_deg:g} degrees,"
        f" zero parallax {distance * metres_per_unit:.3f} m in front of the cameras"
    )
    marked = (labelled(view, settings.label) for view in views)
    _write(path, quilted(marked, layout), told)
    return [path]


def write_stereo(
    folder: Path, portrait: LiftedPortrait, settings: DisplaySettings, metres_per_unit: float
) -> list[Path]:
    """Writes head_sbs.png and head_anaglyph.png.

    Raises:
        ValueError: the head can't be seen.
    """
    renderer, passport = portrait.lifter.renderer, portrait.passport
    has_own_size = getattr(renderer, "super_resolution", None) is not None
    side = passport.image_resolution if has_own_size else settings.rays
    distance = _convergence(portrait, settings, metres_per_unit)
    half = settings.interpupillary_distance / metres_per_unit / 2
    views = pictures(
        portrait,
        portrait.orbit(),
        [-half, half],
        convergence=distance,
        frame=Frame(side, side, 1.0),
        rays=settings.rays,
    )
    left, right = (labelled(view, settings.label) for view in views)
    told = (
        f"{settings.interpupillary_distance * 1000:g} mm between the eyes, zero parallax"
        f" {distance * metres_per_unit:.3f} m in front of them"
    )
    beside, colored = folder / "head_sbs.png", folder / "head_anaglyph.png"
    _write(beside, side_by_side(left, right), f"stereo, left eye on the left, {told}")
    _write(colored, anaglyph(left, right), f"anaglyph, red on the left, {told}")
    return [beside, colored]


def _convergence(
    portrait: LiftedPortrait, settings: DisplaySettings, metres_per_unit: float
) -> float:
    """In world units."""
    if settings.convergence is not None:
        return settings.convergence / metres_per_unit
    return depth_of_head(portrait, portrait.orbit())


def _write(path: Path, image: UInt8[np.ndarray, "height width 3"], told: str) -> None:
    text = PngInfo()
    text.add_text("Software", "trilift")
    text.add_text("Description", told)
    with replaced_file(path) as temporary:
        Image.fromarray(image).save(temporary, "PNG", pnginfo=text, compress_level=4)
