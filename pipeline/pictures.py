"""Images for display: 8-bit pixels, coloured depth and normals, captioned sheets, PNG files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional as F

from pipeline.runs.files import replaced_file
from teachers.rendering.camera import Camera

Picture = Float[Tensor, "channel height width"]
"""One picture in [-1, 1] with one (grey) or three channels."""


def to_uint8(image: Float[Tensor, "channel height width"]) -> UInt8[np.ndarray, "height width 3"]:
    """A picture in [-1, 1] as 8-bit RGB: clamped and rounded; pixels with NaN become magenta.

    Raises:
        ValueError: the picture has neither one nor three channels.
    """
    image = _rgb(image.detach().float().cpu())
    levels = ((image + 1) * 127.5).clamp(0, 255)
    magenta = torch.tensor([255.0, 0.0, 255.0])[:, None, None].expand_as(levels)
    levels = torch.where(image.isnan().any(0), magenta, levels)
    return levels.round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()


def from_uint8(image: UInt8[np.ndarray, "height width 3"]) -> Float[Tensor, "3 height width"]:
    """The inverse of `to_uint8`: 8-bit RGB as a picture in [-1, 1]."""
    return torch.tensor(image).permute(2, 0, 1).float() / 127.5 - 1


def depth_picture(
    depth: Float[Tensor, "*batch 1 height width"],
    near: float,
    far: float,
    *,
    colours: Literal["grey", "turbo"] = "turbo",
) -> Float[Tensor, "*batch 3 height width"]:
    """Depths as colours in [-1, 1]: near is white (red in turbo), far is black (dark blue).

    Args:
        depth: distances from the camera, world units; clamped to [near, far].
        near, far: the depths at the two ends of the scale; use equal ones for pictures that are
            compared.
        colours: "grey", or "turbo" (more distinguishable levels).

    Raises:
        ValueError: `near` is not less than `far`.
    """
    if not near < far:
        raise ValueError(
            f"a depth picture needs near < far, got near {near} and far {far}: give the teacher's"
            " depth limits"
        )
    nearness = ((far - depth) / (far - near)).clamp(0, 1)
    if colours == "grey":
        return (nearness * 2 - 1).expand(*nearness.shape[:-3], 3, *nearness.shape[-2:])
    return _turbo(nearness)


def _turbo(value: Float[Tensor, "*batch 1 height width"]) -> Float[Tensor, "*batch 3 height width"]:
    """Polynomial fit of the turbo colour map (Mikhailov 2019): [0, 1] → colours in [-1, 1]."""
    powers = torch.cat([value**k for k in range(6)], -3)
    coefficients = [
        [34.61, 1172.33, -10793.56, 33300.12, -38394.49, 14825.05],
        [23.31, 557.33, 1225.33, -3574.96, 1073.77, 707.56],
        [27.2, 3211.1, -15327.97, 27814.0, -22569.18, 6838.66],
    ]
    rgb = torch.einsum("ck,...khw->...chw", torch.tensor(coefficients).to(powers), powers)
    return (rgb / 127.5 - 1).clamp(-1, 1)


def surface_normals(
    depth: Float[Tensor, "batch 1 height width"], camera: Camera
) -> Float[Tensor, "batch 3 height width"]:
    """Unit normals in world space of the surface of a depth image, facing the camera.

    Central differences of neighbouring points; a pixel of the border takes the normal of its inner
    neighbour.
    """
    batch, _, height, width = depth.shape
    assert height == width, "cameras take square pictures"
    points = (
        camera.rays(height)
        .at(depth.reshape(batch, -1, 1))[:, :, 0]
        .mT.reshape(batch, 3, height, width)
    )
    across = points[:, :, 1:-1, 2:] - points[:, :, 1:-1, :-2]
    down = points[:, :, 2:, 1:-1] - points[:, :, :-2, 1:-1]
    normals = F.normalize(torch.linalg.cross(down, across, dim=1), dim=1, eps=1e-20)
    return F.pad(normals, (1, 1, 1, 1), mode="replicate")


def normal_picture(
    depth: Float[Tensor, "batch 1 height width"], camera: Camera
) -> Float[Tensor, "batch 3 height width"]:
    """Camera-space normals as colours in [-1, 1]: red is right, green is up, blue is towards the
    camera.
    """
    normals = surface_normals(depth, camera)
    local = torch.einsum("bij,bihw->bjhw", camera.cam_to_world[:, :3, :3], normals)
    return local * torch.tensor([1.0, -1.0, -1.0]).to(local)[:, None, None]


def tile(
    images: Sequence[Sequence[Tensor]],
    gap: int = 2,
    *,
    background: float = 1.0,
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
) -> Float[Tensor, "3 height width"]:
    """Rows of pictures as one sheet.

    A cell is as wide as the widest picture of its column and as high as the highest of its row;
    smaller pictures sit in its top left corner. Rows may have different lengths.

    Args:
        images: rows of pictures `[channel height width]` in [-1, 1], grey or RGB, of any sizes.
        gap: pixels between pictures and around the sheet.
        background: grey level in [-1, 1] of gaps and empty cells.
        row_labels: captions at the left, one a row, or none.
        column_labels: captions at the top, one a column, or none.

    Raises:
        ValueError: no picture, or the wrong number of captions.
    """
    num_columns = max((len(row) for row in images), default=0)
    if num_columns == 0:
        raise ValueError("a sheet needs at least one picture, got none")
    _require_count("row", row_labels, len(images))
    _require_count("column", column_labels, num_columns)
    cells = [list(row) for row in images]
    if row_labels:
        cells = [[caption(label), *row] for label, row in zip(row_labels, cells, strict=True)]
    if column_labels:
        header = [caption(label) for label in column_labels]
        cells = [[*([_nothing()] if row_labels else []), *header], *cells]
    return _paste(cells, gap, background)


def _paste(
    cells: list[list[Tensor]], gap: int, background: float
) -> Float[Tensor, "3 height width"]:
    num_columns = max(len(row) for row in cells)
    heights = [max(cell.shape[-2] for cell in row) if row else 0 for row in cells]
    widths = [
        max(row[column].shape[-1] for row in cells if column < len(row))
        for column in range(num_columns)
    ]
    sheet = torch.full(
        (3, gap + sum(h + gap for h in heights), gap + sum(w + gap for w in widths)), background
    )
    top = gap
    for row, height in zip(cells, heights, strict=True):
        left = gap
        for cell, width in zip(row, widths, strict=False):
            sheet[:, top : top + cell.shape[-2], left : left + cell.shape[-1]] = _rgb(
                cell.detach().float().cpu()
            )
            left += width + gap
        top += height + gap
    return sheet


def caption(text: str, *, size: int = 11) -> Float[Tensor, "3 height width"]:
    """Black text on white, as large as its lines; `size` is the font size in pixels."""
    font = ImageFont.load_default(size)
    left, top, right, bottom = ImageDraw.Draw(Image.new("L", (1, 1))).multiline_textbbox(
        (0, 0), text, font=font
    )
    canvas = Image.new("RGB", (int(right - left) + 4, int(bottom - top) + 4), "white")
    ImageDraw.Draw(canvas).multiline_text((2 - left, 2 - top), text, fill="black", font=font)
    return from_uint8(np.asarray(canvas))


def labelled(
    pixels: UInt8[np.ndarray, "height width 3"], text: str | None
) -> UInt8[np.ndarray, "height width 3"]:
    """The picture with a line of text in its lower left corner, white on dark; None: as it is.

    The text is a twentieth of the shorter side high, at least 9 pixels, and as much smaller as the
    width demands.
    """
    if text is None:
        return pixels
    picture = Image.fromarray(pixels)
    draw = ImageDraw.Draw(picture)
    size = float(max(9, min(picture.size) // 20))
    width = draw.textlength(text, font=ImageFont.load_default(size)) + size
    size *= min(1.0, picture.width / width)
    font = ImageFont.load_default(size)
    height = round(1.6 * size)
    top = picture.height - height
    right = draw.textlength(text, font=font) + size
    draw.rectangle((0, top, right, picture.height), fill=(24, 24, 24))
    draw.text((size / 2, top + height / 2), text, fill="white", font=font, anchor="lm")
    return np.array(picture)


def write_png(
    path: Path, image: Float[Tensor, "channel height width"] | UInt8[np.ndarray, "height width 3"]
) -> None:
    """Writes a picture in [-1, 1], or 8-bit RGB; readers see the old file or the whole new one.

    Missing folders are created. Not synced to disk: pictures are many, and can be rendered again.
    """
    pixels = to_uint8(image) if isinstance(image, Tensor) else image
    with replaced_file(path, synced=False) as temporary:
        Image.fromarray(pixels).save(temporary, format="PNG")


def _rgb(image: Picture) -> Float[Tensor, "3 height width"]:
    if image.shape[0] not in (1, 3):
        raise ValueError(
            f"a picture has 1 or 3 channels, got {image.shape[0]} (shape {tuple(image.shape)}):"
            " pick one picture of a batch"
        )
    return image.expand(3, *image.shape[1:])


def _nothing() -> Float[Tensor, "3 0 0"]:
    return torch.empty(3, 0, 0)


def _require_count(what: str, labels: Sequence[str], count: int) -> None:
    if labels and len(labels) != count:
        raise ValueError(
            f"got {len(labels)} {what} captions for {count} {what}s: give one each, or none"
        )
