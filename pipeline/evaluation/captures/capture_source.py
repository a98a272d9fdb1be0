"""A source of captures, and the export of one to a folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from pipeline.evaluation.items import SuiteContext
from pipeline.evaluation.suite_files import MANIFEST
from pipeline.runs.files import replaced_folder, write_json
from teachers.plain_values import read_json_file

SOURCE = "source"
"""Key of the manifest: what the captures were made from, see `about_source`."""

PLAIN = (str, int, float, type(None))  # a truth value is an int


@runtime_checkable
class CaptureSource(Protocol):
    """A dataset, or a world, from which captures can be made."""

    def export(self, folder: Path, context: SuiteContext) -> None:
        """Writes one folder for each subject (see `captures.py`) and the manifest."""
        ...


def export_captures(source: CaptureSource, folder: Path, context: SuiteContext) -> None:
    """Writes captures to a folder that appears only when it is complete; its manifest says from
    what they were made.
    """
    with replaced_folder(folder) as writing:
        source.export(writing, context)
        if (writing / MANIFEST).is_file():
            manifest = read_json_file(writing / MANIFEST, dict[str, Any])
            about = {SOURCE: about_source(source, context)}
            write_json(writing / MANIFEST, {**manifest, **about}, indent=1)


def about_source(source: CaptureSource, context: SuiteContext) -> dict[str, Any]:
    """The class and the plain settings of a source, and the resolution that it draws in: its own,
    or the teacher's. Paths are absolute.
    """
    settings = {
        name: value
        for name, value in getattr(source, "__dict__", {}).items()
        if not name.startswith("_") and isinstance(value, PLAIN)
    }
    if isinstance(path := settings.get("path"), str):
        settings["path"] = str(Path(path).resolve())
    side = context.passport.image_resolution
    return {"class": type(source).__qualname__, "resolution": side, **settings}


def require_same_source(
    folder: Path, manifest: Mapping[str, Any], source: CaptureSource, context: SuiteContext
) -> None:
    """Checks that captures were made from this source. Those of earlier versions and of others
    don't say from what they were made: they are taken as they are.

    Raises:
        ValueError: they were made with other settings, which are named.
    """
    there = manifest.get(SOURCE)
    if not isinstance(there, Mapping):
        return
    wanted = about_source(source, context)
    found = {name: there[name] for name in wanted if name in there and there[name] != wanted[name]}
    if found:
        raise ValueError(
            f"{folder} holds captures of another source than the configuration: it has {found},"
            f" expected was { {name: wanted[name] for name in found} }: give another suite.path, or"
            " remove the folder; suite.source=null takes it as it is"
        )
