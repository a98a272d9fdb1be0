"""List the weights, data, libraries and assets behind a checkpoint or a result: `licenses FILE`.

Licences come from metadata that travels with files: a student's and a triplane's, the teacher's
passport, a result's signed manifest, the face mesh's NOTICE, installed packages. What they don't
state is unknown, never guessed; the list is no legal advice.
"""

import json
import sys
from pathlib import Path

from omegaconf import DictConfig

from pipeline.build.application import verb
from pipeline.build.configuration import to_plain
from pipeline.inference.bill import Item, bill_of
from pipeline.inference.pretrained import student_file


@verb("licenses")
def main(config: DictConfig) -> None:
    """Prints the bill."""
    settings = to_plain(config)
    if settings["format"] not in ("text", "json"):
        raise ValueError(f"format is {settings['format']!r}: give text or json")
    name = str(settings["file"])
    path = Path(name)
    items = bill_of(path if path.exists() else student_file(name, local_files_only=True))
    if settings["format"] == "json":
        sys.stdout.write(json.dumps([item.record() for item in items], indent=2) + "\n")
    else:
        sys.stdout.write("".join(described(item) for item in items))


def described(item: Item) -> str:
    """One item in a few lines."""
    rights = ", ".join(f"{right}: {answer}" for right, answer in item.permits.items())
    digest = f"  sha256   {item.sha256}\n" if item.sha256 else ""
    return (
        f"{item.kind}: {item.name}\n  licence  {item.licence}\n  permits  {rights}\n"
        f"  stated   {item.source}\n{digest}"
    )


if __name__ == "__main__":
    main()
