"""Turn photographs into crops with cameras for pretrain and evaluate.

Finds the face of every picture (portraits=facemesh, landmarks, cascade, …), cuts EG3D's square,
and writes OUTPUT/dataset.json with the 25-number labels of those whose pose is known; crops without
a pose go to OUTPUT/unposed and are listed. The same command continues an interrupted preparation.
Exit status: 0 every picture has a crop with a camera, 1 something was left out, 2 nothing is
usable.
"""

import itertools
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from tqdm import tqdm

from pipeline.build.application import verb
from pipeline.build.configuration import instantiate, to_plain
from pipeline.data.preparation import UNPOSED, Preparation
from pipeline.portraits.files import find_photographs, folder_names
from pipeline.portraits.front_door import PortraitSettings, portraits_of


@verb("prepare")
def main(config: DictConfig) -> None:
    """Prepares file after file, then writes dataset.json."""
    settings = to_plain(config)
    source, output = Path(str(settings["input"])), Path(str(settings["output"]))
    files = find_photographs(source)
    if output.resolve() == source.resolve():
        raise ValueError(
            f"output {output} is the folder of the photographs: choose another output="
        )
    door: PortraitSettings = instantiate(config.portraits)
    resolution, background = int(settings["resolution"]), float(settings["background"])
    if not (1 <= resolution <= 4096 and 0 <= background <= 1):
        raise ValueError(
            f"resolution {resolution}, background {background}: give 1 to 4096 pixels and a grey"
            " level in [0, 1]"
        )
    recipe = {
        "portraits": settings["portraits"],
        "resolution": resolution,
        "background": background,
    }
    if settings["matte"]:
        door, recipe = replace(door, matte=True), {**recipe, "matte": True}
    preparation = Preparation(
        output,
        recipe,
        landmarks=door.landmarks.folder if door.landmarks else None,
        mirrored=bool(settings["mirrored"]),
        overwrite=bool(settings["overwrite"]),
    )
    entries: list[dict[str, Any]] = []
    for file, name in tqdm(
        list(zip(files, folder_names(files), strict=True)),
        desc="prepare",
        unit="file",
        disable=None,
    ):
        record = preparation.done(file, name) or preparation.add(
            file, portraits_of(file, name, door, resolution=resolution, background=background)
        )
        entries += record["portraits"]
        for complaint in complaints(file, record["portraits"]):
            tqdm.write(complaint, file=sys.stderr)
    count = preparation.finish(files)
    sys.stdout.write(summary(output, entries, count))
    if not all(entry["camera"] for entry in entries):
        raise SystemExit(1 if any(entry["file"] for entry in entries) else 2)


def complaints(file: Path, entries: list[dict[str, Any]]) -> list[str]:
    """One line for each crop that isn't in `dataset.json`; consecutive frames of a film with the
    same reason share one.
    """
    left_out = [entry for entry in entries if not entry["camera"]]
    return [
        f"{file}{_times(list(group))}: left out: {note}"
        for note, group in itertools.groupby(left_out, _reason)
    ]


def summary(output: Path, entries: list[dict[str, Any]], count: int) -> str:
    """The counts, in one line."""
    unposed = sum(1 for entry in entries if entry["file"] and not entry["camera"])
    faceless = sum(1 for entry in entries if entry["file"] and not entry["face_found"])
    unusable = sum(1 for entry in entries if not entry["file"])
    index = (
        f"{count} crops with cameras in {output / 'dataset.json'}"
        if count
        else "no crop with a camera, hence no dataset.json"
    )
    left_out = (
        f"{unposed} without a known pose left out, in {output / UNPOSED} ({faceless} of them"
        " without a face)"
    )
    return f"{index}; {left_out}; {unusable} unusable\n"


def _reason(entry: dict[str, Any]) -> str:
    return entry["note"] or "pose unknown: these portraits= detect no face"


def _times(group: list[dict[str, Any]]) -> str:
    return f" ({len(group)} pictures)" if len(group) > 1 else ""


if __name__ == "__main__":
    main()
