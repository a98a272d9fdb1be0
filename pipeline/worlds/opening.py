"""The worlds by name."""

from typing import Any

from .world import World

WORLDS = ("puppets", "heads")


def world_facts(name: str) -> tuple[int, tuple[float, float, float]]:
    """Version and pivot, without the packages that the world needs.

    Raises:
        ValueError: there is none of this name.
    """
    found = _class_of(name)
    return found.version, found.pivot


def _class_of(name: str) -> Any:
    if name == "puppets":
        from .puppets.world import PuppetWorld

        return PuppetWorld
    if name == "heads":
        from .heads.world import HeadWorld

        return HeadWorld
    raise ValueError(f"there is no world {name!r}: give one of {', '.join(WORLDS)}")


def open_world(name: str, *, supersampling: int = 2) -> World:
    """The world that configurations call so.

    Args:
        name: one of `WORLDS`.
        supersampling: each pixel is the mean of this many squared samples.

    Raises:
        ValueError: there is none of this name.
        ModuleNotFoundError: it needs a package that isn't installed.
    """
    found: World = _class_of(name)(supersampling=supersampling)
    return found
