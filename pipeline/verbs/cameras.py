"""Find out the convention of a file of cameras, and convert it to another.

Reads and writes EG3D's dataset.json (eg3d), the same numbers with OpenGL's axes in our world
(opengl) or in Blender's (blender), NeRF's transforms.json (nerf) and a folder of COLMAP's text
files (colmap). Without to= nothing is written. Exit status: 1 if the file seems to be in another
convention, or a world with another axis up, than the one in which it is read; then nothing is
written without force=true.
"""

import sys
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from pipeline.build.application import verb
from pipeline.build.configuration import to_plain
from pipeline.portraits.cameras.files import (
    Format,
    correction,
    format_of,
    other_keys,
    read_cameras,
    seeming,
    write_cameras,
)


@verb("cameras")
def main(config: DictConfig) -> None:
    """Reports the convention, then converts; an error names the file."""
    settings = to_plain(config)
    try:
        convert(settings)
    except ValueError as error:
        given = str(settings["input"])
        raise ValueError(str(error) if given in str(error) else f"{given}: {error}") from error


def convert(settings: dict[str, Any]) -> None:
    """Reports and converts, as the settings of the verb say."""
    path = Path(str(settings["input"]))
    said = settings["from"] or format_of(path)
    table = read_cameras(path, said, up=settings["up"])
    is_right = report(path, said, settings["up"], len(table))
    if settings["to"] is not None and not (is_right or settings["force"]):
        sys.stdout.write("nothing is written: read it as above, or give force=true\n")
    elif settings["to"] is not None:
        if settings["output"] is None:
            raise ValueError(f"converting to {settings['to']} needs output=…")
        write_cameras(
            Path(str(settings["output"])),
            table,
            settings["to"],
            size=settings["size"],
            overwrite=bool(settings["overwrite"]),
            others=other_keys(path),
        )
        sys.stdout.write(f"written as {settings['to']}: {settings['output']}\n")
    if not is_right:
        raise SystemExit(1)


def report(path: Path, said: Format, up: str | None, count: int) -> bool:
    """Prints the recognised convention; returns whether the file is read in it."""
    convention, fitting, is_pixels = seeming(path)
    target = ", ".join(f"{value:.2f}" for value in convention.target)
    near, far = convention.distances
    lines = [
        f"{path}: {count} cameras, read as {said}",
        (
            f"seems to be: {convention}; intrinsics"
            f" {'in pixels' if is_pixels else 'normalised by the size'}"
        ),
        (
            f"the cameras look at ({target}) from {near:.2f} to {far:.2f} away,"
            f" {convention.looks:.3f} of straight"
        ),
    ]
    advice = (
        "divide focal lengths and principal points by the size of the pictures"
        if is_pixels
        else correction(convention, fitting, said, up)
    )
    if advice is not None:
        lines.append(advice)
    sys.stdout.write("\n".join(lines) + "\n")
    return advice is None


if __name__ == "__main__":
    main()
