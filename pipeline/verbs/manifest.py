"""Freeze a folder of photographs as a benchmark, or check a copy against one.

`trilift manifest input=FOLDER output=SUITE.json` finds the faces and writes the files' sha256,
crops, cameras, the detector with its hash, and the faces that it missed: no picture.
`trilift manifest check=SUITE.json input=FOLDER` compares another copy by content, whatever the
files are called; exit status 1 if a picture is missing or changed. `trilift evaluate suite=wild
suite.manifest_file=SUITE.json suite.path=FOLDER` evaluates on it.
"""

import sys
from pathlib import Path

from omegaconf import DictConfig

from pipeline.build.application import verb
from pipeline.build.configuration import instantiate, to_plain
from pipeline.portraits.freezing import freeze
from pipeline.portraits.frozen import Comparison, Frozen
from pipeline.runs.files import write_json
from pipeline.runs.provenance import version_of


@verb("manifest")
def main(config: DictConfig) -> None:
    """Writes or checks."""
    settings = to_plain(config)
    source = None if settings["input"] is None else Path(str(settings["input"]))
    if settings["check"] is not None:
        frozen = Frozen.read(Path(str(settings["check"])))
        sys.stdout.write(summary(frozen))
        if source is not None:
            report(frozen, frozen.compare(source), source)
        return
    if source is None or settings["output"] is None:
        raise ValueError(
            f"input is {settings['input']!r}, output is {settings['output']!r}: give"
            " input=FOLDER output=SUITE.json to freeze, or check=SUITE.json"
        )
    output = Path(str(settings["output"]))
    require_free(output, source, overwrite=bool(settings["overwrite"]))
    content = freeze(
        source,
        instantiate(config.portraits),
        name=str(settings["name"]),
        licence=str(settings["licence"]),
        recipe=settings["portraits"],
        version=version_of("trilift") or "unknown",
        count=settings["count"],
        seed=settings["seed"],
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    write_json(output, content, indent=1)
    sys.stdout.write(summary(Frozen.read(output)))


def require_free(output: Path, source: Path, *, overwrite: bool) -> None:
    """Raises ValueError if the manifest would replace a file or be one of the photographs."""
    if output.is_dir() or output.suffix != ".json":
        raise ValueError(f"output {output} is no file of JSON: give output=SUITE.json")
    if output.resolve().is_relative_to(source.resolve()):
        raise ValueError(f"output {output} lies in {source}: choose a place outside of it")
    if output.exists() and not overwrite:
        raise ValueError(f"{output} is there already: give another output=, or overwrite=true")


def summary(frozen: Frozen) -> str:
    """The counts, the detector and the hash, in a few lines."""
    counts, detector = frozen.counts, frozen.content["detector"]
    return (
        f"{frozen.path}: {counts['files']} files, {counts['crops']} crops, {counts['cameras']} with"
        f" a camera; {counts['faces_missed']} without a face, {counts['unusable']} unusable\n"
        f"detector {detector['name']} (trilift {detector['trilift']}, sha256"
        f" {detector['sha256']}); licence: {frozen.content['licence']}\n"
        f"sha256 of the manifest's content: {frozen.sha256}\n"
    )


def report(frozen: Frozen, comparison: Comparison, source: Path) -> None:
    """Prints what is there; SystemExit(1) if anything is missing."""
    found = len(comparison.files)
    sys.stdout.write(f"{source}: {found} of {frozen.counts['files']} files are there\n")
    for name in comparison.missing:
        what = "is another file" if name in comparison.changed else "is missing"
        sys.stderr.write(f"{name} {what}\n")
    for name in comparison.extra:
        sys.stdout.write(f"{name} isn't part of it\n")
    if comparison.missing:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
