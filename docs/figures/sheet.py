"""Draws a sheet of what an evaluation stored: inputs, a new view of each, methods below.

Run from the repository's root, after `trilift evaluate`:
`python docs/figures/sheet.py runs/evaluate/heads docs/heads_student.jpg`. Person i is shown in new
view 1 + i mod 4, so that every gap of yaw comes in turn; nobody is chosen.
"""

import argparse
from pathlib import Path

from PIL import Image

ROWS = ("input", "truth", "student", "mean_planes")
VIEWS = 4
CELL, GAP = 128, 2


def main() -> None:
    """Writes the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("evaluation", type=Path, help="the output of trilift evaluate")
    parser.add_argument("picture", type=Path, help="a JPEG or PNG to write")
    parser.add_argument("--count", type=int, default=12, help="people")
    given = parser.parse_args()
    pictures = given.evaluation / "pictures"
    people = sorted(file.stem.removesuffix("_0") for file in (pictures / "input").glob("*_0.png"))
    people = people[: given.count]
    step = CELL + GAP
    sheet = Image.new("RGB", (step * len(people) - GAP, step * len(ROWS) - GAP), "white")
    for row, method in enumerate(ROWS):
        for column, person in enumerate(people):
            view = 0 if method == "input" else 1 + column % VIEWS
            with Image.open(pictures / method / f"{person}_{view}.png") as cell:
                enlarged = cell.convert("RGB").resize((CELL, CELL), Image.Resampling.BICUBIC)
            sheet.paste(enlarged, (column * step, row * step))
    sheet.save(given.picture, quality=88)
    print(f"{given.picture}: rows {', '.join(ROWS)}; {len(people)} people")


if __name__ == "__main__":
    main()
