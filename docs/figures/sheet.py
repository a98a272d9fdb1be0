"""Draws a sheet of what an evaluation stored: inputs, a new view of each, methods below.

Run from the repository's root, after `trilift evaluate`:
`python docs/figures/sheet.py runs/evaluate/heads docs/heads_student.jpg`. Person i is shown in new
view 1 + i mod 4, so that every gap of yaw comes in turn; nobody is chosen.
"""

import argparse
from pathlib import Path

from PIL import Image
from torch.nn import functional as F

from pipeline.evaluation.picture_store import PictureStore
from pipeline.pictures import tile, to_uint8
from teachers.plain_values import read_json_file

ROWS = ("input", "truth", "student", "mean_planes")
VIEWS, CELL = 4, 128


def people(store: PictureStore, count: int) -> list[str]:
    """The first people of the suite whose input is stored; the ceiling's aren't in the manifest."""
    listed = read_json_file(store.folder / "manifest.json")["items"]
    names = sorted(item["name"] for item in listed)
    return [n for n in names if (store.folder / store.picture("input", n, 0)).is_file()][:count]


def main() -> None:
    """Writes the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("evaluation", type=Path, help="the output of trilift evaluate")
    parser.add_argument("picture", type=Path, help="a JPEG or PNG to write")
    parser.add_argument("--count", type=int, default=12, help="people")
    given = parser.parse_args()
    store = PictureStore(given.evaluation)
    shown = people(store, given.count)
    rows = []
    for method in ROWS:
        views = [0 if method == "input" else 1 + i % VIEWS for i in range(len(shown))]
        cells = (
            store.get_picture(store.picture(method, person, view))
            for person, view in zip(shown, views, strict=True)
        )
        rows.append(
            [F.interpolate(c[None], (CELL, CELL), mode="bicubic")[0].clamp(-1, 1) for c in cells]
        )
    Image.fromarray(to_uint8(tile(rows))).save(given.picture, quality=88)


if __name__ == "__main__":
    main()
