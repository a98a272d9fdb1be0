"""The README's table of speed, made from the stored results.

`python -m tests.benchmarks.speed_table` writes it between its markers.
"""

import json
from pathlib import Path
from typing import Any

from tests.benchmarks import report
from tests.benchmarks.bench import RESULTS
from tests.benchmarks.machine import ROOT

BEGIN = "<!-- speed: made by `python -m tests.benchmarks.speed_table` -->"
END = "<!-- end of speed -->"
README = ROOT / "README.md"
NOTHING = "`make bench` measures the speed of this machine in ten minutes."


def main() -> None:
    """Writes the README."""
    README.write_text(replaced(README.read_text(), table(RESULTS)))


def table(folder: Path) -> str:
    """The targets of all stored results with what was measured; a sentence while there are none."""
    documents = [
        json.loads(path.read_text())
        for name in ("bench", "bench-long")
        if (path := folder / f"{name}.json").exists()
    ]
    if not documents:
        return NOTHING
    return "\n\n".join([caption(documents), joined(documents)])


def caption(documents: list[dict[str, Any]]) -> str:
    """Where they were measured, and by which commands."""
    where = documents[0]["machine"]
    commands = " and ".join(f"`make {document['name']}`" for document in documents)
    return (
        f"Measured on {where['cores']} cores of {where['processor']}"
        f" ({' '.join(where['flags'])}) at {where['commit']}, {where['date'][:10]}, by {commands}."
        " The baseline is EG3D's algorithm as the published code runs it"
        " (`tests/benchmarks/baseline.py`); readable is this project's own without fast kernels."
    )


def joined(documents: list[dict[str, Any]]) -> str:
    """One table of the lines of all."""
    head, *rest = (report.targets(document).splitlines() for document in documents)
    return "\n".join([*head, *(line for lines in rest for line in lines[2:])])


def replaced(text: str, content: str) -> str:
    """A text with other content between the markers.

    Raises:
        ValueError: the markers aren't there.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"README.md needs the lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{content}\n{END}{after}"


if __name__ == "__main__":
    main()
