"""The worlds by name."""

from .world import World

WORLDS = ("puppets", "heads")


def open_world(name: str, *, supersampling: int = 2) -> World:
    """The world that configurations call so.

    Args:
        name: one of `WORLDS`.
        supersampling: each pixel is the mean of this many squared samples.

    Raises:
        ValueError: there is none of this name.
        ModuleNotFoundError: it needs a package that isn't installed.
    """
    if name == "puppets":
        from .puppets.world import PuppetWorld

        return PuppetWorld(supersampling=supersampling)
    if name == "heads":
        from .heads.world import HeadWorld

        return HeadWorld(supersampling=supersampling)
    raise ValueError(f"there is no world {name!r}: give one of {', '.join(WORLDS)}")
