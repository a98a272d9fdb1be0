"""Teacher folders: which class reads one is what its passport says."""

from pathlib import Path

from .eg3d.teacher import load_eg3d
from .passport import Passport
from .teacher import Teacher

READERS = {"eg3d": load_eg3d}
"""By `Passport.kind`: what reads a folder of that kind."""


def load_teacher(path: Path) -> Teacher:
    """Reads a teacher folder (config.json, passport.json, generator.safetensors).

    Raises:
        FileNotFoundError: there is no such folder, or a file is missing in it.
        ValueError: it isn't a teacher folder, or of an unknown kind.
    """
    if path.is_file():
        hint = f": convert it first, with `trilift convert checkpoint={path} output=DIR`" if path.suffix == ".pkl" else ""
        raise ValueError(f"{path} is a file, a teacher is a folder with a passport.json{hint}")
    if not (path / "passport.json").is_file():
        raise FileNotFoundError(f"{path} is not a teacher folder: it has no passport.json")
    kind = Passport.read(path / "passport.json").kind
    if kind not in READERS:
        raise ValueError(f"{path} holds a teacher of kind {kind!r}; this trilift reads {', '.join(READERS)}")
    return READERS[kind](path)
