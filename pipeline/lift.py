"""Lifts photographs to heads that can be seen from new sides.

Writes for each photograph a folder OUTPUT/NAME with sheet.png (new views), depth.png and depth.safetensors, turntable.mp4
(.gif without the video extra), triplane.safetensors and crop.png (what the student saw). A file that is no good gets one
line and stops no other. Exit status: 0 all lifted, 1 some, 2 none.

Names with spaces, brackets or commas need quotes within quotes: 'input="my photo (1).jpg"'.
"""

import sys
import time
from pathlib import Path

from omegaconf import DictConfig

import students
from pipeline.build import to_plain, verb
from pipeline.inference.background import background_of
from pipeline.inference.camera_paths import turntable
from pipeline.inference.device import device_named
from pipeline.inference.portrait_folder import Film, write_portrait
from pipeline.inference.reconstructor import Reconstructor
from pipeline.lifter import Lifter
from pipeline.portraits.crop import Crop
from pipeline.portraits.files import find_photographs, folder_names
from pipeline.portraits.photograph import read_photograph

BUNDLED = Path(students.__file__).parent / "pretrained" / "puppets_tiny.safetensors"


@verb("lift")
def main(config: DictConfig) -> None:
    """Loads the student once, lifts file after file."""
    settings = to_plain(config)
    files = find_photographs(Path(str(settings["input"])))
    crop = None if settings["crop"] is None else Crop.of(settings["crop"])
    lifter = Lifter.load(checkpoint_path(settings["checkpoint"])).to(device_named(settings["device"]))
    film = Film(cameras=turntable(lifter.passport, **settings["turntable"]), frames_per_second=settings["frames_per_second"])
    output = Path(str(settings["output"]))
    output.mkdir(parents=True, exist_ok=True)
    _say(f"student of teacher {lifter.passport.name!r}; licence: {lifter.passport.licence}")
    reconstructor = Reconstructor(lifter)
    lifted = [
        lift_file(reconstructor, file, output / name, crop=crop, film=film) for file, name in zip(files, folder_names(files), strict=True)
    ]
    if not all(lifted):
        raise SystemExit(1 if any(lifted) else 2)


def lift_file(reconstructor: Reconstructor, file: Path, folder: Path, *, crop: Crop | None, film: Film) -> bool:
    """Lifts one photograph into its folder; a bad one gets a line on stderr. Returns whether it was lifted."""
    try:
        photograph = read_photograph(file, background=background_of(reconstructor.lifter.passport))
        image = (crop or Crop.centre(*photograph.size)).cut(photograph, reconstructor.image_size)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"{file}: {' '.join(str(error).split())}\n")
        return False
    started = time.perf_counter()
    portrait = reconstructor.lift(image[None])
    latency_ms = 1000 * (time.perf_counter() - started)
    write_portrait(folder, portrait, image, film)
    _say(f"{file}: lifted in {latency_ms:.0f} ms, see {folder}")
    return True


def checkpoint_path(given: str | None) -> Path:
    """The student that was named, or the bundled one; ValueError if none was named and none is bundled."""
    if given is not None:
        return Path(given)
    if not BUNDLED.is_file():
        raise ValueError(
            "no student is bundled with this version: give checkpoint=FILE.safetensors; `make demo` or `trilift distill` makes one"
        )
    return BUNDLED


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
