"""A source of captures, and the export of one to a folder."""

from pathlib import Path
from typing import Protocol, runtime_checkable

from pipeline.evaluation.items import SuiteContext
from pipeline.runs.files import replaced_folder


@runtime_checkable
class CaptureSource(Protocol):
    """A dataset, or a world, from which captures can be made."""

    def export(self, folder: Path, context: SuiteContext) -> None:
        """Writes one folder for each subject (see `captures.py`) and the manifest."""
        ...


def export_captures(source: CaptureSource, folder: Path, context: SuiteContext) -> None:
    """Writes captures to a folder that appears only when it is complete."""
    with replaced_folder(folder) as writing:
        source.export(writing, context)
