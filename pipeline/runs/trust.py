"""Packages outside trilift whose code may run: chosen by the user who starts a process.

They are named on the command line (`trust=[my_lab]`) or in the environment
(`TRILIFT_TRUST=my_lab,other`), never in a file that a process reads: checkpoints, run folders and
shards can't extend them. The environment stores them, so that child processes (DDP, workers, the
cells of a sweep) inherit them.
"""

import os
from collections.abc import Sequence

VARIABLE = "TRILIFT_TRUST"


def trusted_packages() -> tuple[str, ...]:
    """The top-level packages that this process trusts besides trilift's own."""
    names = (name.strip() for name in os.environ.get(VARIABLE, "").split(","))
    return tuple(dict.fromkeys(filter(None, names)))


def trust(packages: Sequence[str]) -> None:
    """Trusts further packages, in this process and in those that it will start.

    Args:
        packages: importable names of top-level packages.

    Raises:
        ValueError: a name isn't one of a top-level package.
    """
    for name in packages:
        if not isinstance(name, str) or not name.isidentifier():
            raise ValueError(
                f"trust={list(packages)}: {name!r} is not the name of a top-level package, such as"
                " my_lab"
            )
    os.environ[VARIABLE] = ",".join(dict.fromkeys((*trusted_packages(), *packages)))


def how_to_trust(package: str) -> str:
    """Advice for error messages."""
    return (
        f"if you trust the code of {package!r}, give trust=[{package}] or set {VARIABLE}={package}"
    )


def how_to_import(package: str) -> str:
    """Advice for error messages; the working directory isn't searched."""
    return f"install {package!r} (pip install -e FOLDER), or put its parent folder on PYTHONPATH"
