"""The picture of an evaluation: what was given, the truth, every answer, the student's error and
depth, from the stored files.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from pipeline.evaluation.items import SOLID, Views
from pipeline.evaluation.picture_store import PictureStore, read_views
from pipeline.evaluation.results import read_results_json
from pipeline.evaluation.score_lines import read_score_lines
from pipeline.pictures import depth_picture, tile
from pipeline.runs.json_lines import Line

CELL = 128
"""Smallest side of a picture on the sheet."""


def demo_sheet(output: Path, *, identities: int) -> Float[Tensor, "3 height width"]:
    """Two rows a subject, a near and a far view: given · truth · answers · error, true depth and
    depth of the first answer.
    """
    told, lines = read_results_json(output), read_score_lines(output / "scores.jsonl")
    items = list(dict.fromkeys(line["item"] for line in lines if line["method"] == "student"))[
        :identities
    ]
    methods = {
        line["method"]: told["methods"][line["method"]]["title"]
        for line in lines
        if line["item"] in items
    }
    views = [
        by_method
        for item in items
        for by_method in _near_and_far([line for line in lines if line["item"] == item])
    ]
    rows = [
        [
            _enlarged(picture)
            for picture in _row(PictureStore(output), [by_method[name] for name in methods])
        ]
        for by_method in views
    ]
    columns = ["given", "truth", *methods.values(), "error x 2", "true depth", "its depth"]
    return tile(
        rows,
        4,
        row_labels=[_label(by_method["student"]) for by_method in views],
        column_labels=columns,
    )


def _near_and_far(lines: Sequence[Line]) -> list[dict[str, Line]]:
    """The new view that is turned least and the one that is turned most, each by method."""
    views = sorted(
        {line["view"]: line["gap_deg"] for line in lines if line["gap_deg"] > 0}.items(),
        key=lambda pair: pair[1],
    )
    chosen = dict.fromkeys(view for view, _ in (views[0], views[-1]))
    return [{line["method"]: line for line in lines if line["view"] == view} for view in chosen]


def _row(store: PictureStore, lines: Sequence[Line]) -> list[Tensor]:
    files: dict[str, Any] = lines[0]["files"]
    truth, first = (
        read_views([store.folder / files[picture]], [store.folder / files[depth]])
        for picture, depth in (("truth", "true_depth"), ("prediction", "depth"))
    )
    pictures = [
        store.get_picture(path)
        for path in (
            files["input"],
            files["truth"],
            *(line["files"]["prediction"] for line in lines),
        )
    ]
    near, far = _depth_range(truth)
    return [
        *pictures,
        store.get_picture(files["error"]),
        *(_depth_colours(seen, near, far) for seen in (truth, first)),
    ]


def _label(line: Line) -> str:
    return (
        f"{line['item']}\ngiven {line['given_yaw_deg']:+.0f}°\nseen"
        f" {line['yaw_deg']:+.0f}°\n{line['psnr_foreground']:.1f} dB"
    )


def _depth_range(truth: Views) -> tuple[float, float]:
    assert truth.depth is not None and truth.solid is not None
    inside = truth.depth[truth.solid]
    near, far = (float(inside.min()), float(inside.max())) if len(inside) else (0.0, 1.0)
    return near, max(far, near + 1e-3)


def _depth_colours(seen: Views, near: float, far: float) -> Float[Tensor, "3 height width"]:
    assert seen.depth is not None and seen.opacity is not None
    return torch.where(seen.opacity > SOLID, depth_picture(seen.depth, near, far), torch.ones(1))[0]


def _enlarged(picture: Float[Tensor, "channel height width"]) -> Float[Tensor, "channel side side"]:
    side = max(CELL, picture.shape[-1])
    if picture.shape[-1] == side:
        return picture
    return F.interpolate(
        picture[None], size=(side, side), mode="bicubic", align_corners=False, antialias=True
    )[0].clamp(-1, 1)
