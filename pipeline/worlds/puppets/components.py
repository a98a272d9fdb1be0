"""The pieces of a puppet that a fast kernel is made of: parts of the body, and colours.

A component is recorded from `body.parts` itself: it is what the list of parts holds when the
component is present and everything else optional is not.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor

from .anatomy import Points, to_head
from .appearance import COLORS
from .body import Part, parts
from .factors import HairStyle, Puppet
from .hair import SHAPES
from .presence import Presence
from .recording import write_kernel

NOTHING = Presence(frozenset(), False, False, False, False, False, False)


@dataclass(frozen=True)
class Component:
    """Some entries of the list of parts: `labels` in the order of the kernel's rows."""

    kernel: str
    labels: tuple[Part, ...]
    presence: Presence
    rows: slice

    def distances(self, points: Points, puppet: Puppet) -> list[Tensor]:
        """The readable distances `[identity point]`, in head units."""
        at = to_head(points, puppet.identity.head)
        return [d for _, d in parts(at, puppet, self.presence)[self.rows]]


BODY = (Part.SKIN, Part.EYE, Part.MOUTH, Part.CLOTHES)
BARE = Component("body", BODY, NOTHING, slice(0, 4))
BEARDED = Component("bearded_body", BODY, replace(NOTHING, beard=True), slice(0, 4))
CAP = Component("hair_cap", (Part.HAIR,), NOTHING, slice(4, 5))
STYLES = {
    style: Component(
        f"hair{shape.__name__}",
        (Part.HAIR,),
        replace(NOTHING, hair=frozenset({styles[0].value})),
        slice(4, 5),
    )
    for styles, shape in SHAPES
    for style in styles
}
"""The hair of a style; other styles have the cap alone."""
MOUSTACHE = Component("moustache", (Part.HAIR,), replace(NOTHING, moustache=True), slice(5, 6))
HAT = Component("hat", (Part.HAT,), replace(NOTHING, hat=True), slice(5, 6))
FRAME = Component("frame", (Part.GLASSES,), replace(NOTHING, glasses=True), slice(5, 6))
LENS = Component("lens", (Part.LENS,), replace(NOTHING, glasses=True, lenses=True), slice(6, 7))
EARRINGS = Component("earrings", (Part.JEWEL,), replace(NOTHING, earrings=True), slice(5, 6))


def components(presence: Presence) -> list[Component]:
    """What an identity consists of, in the order of `body.parts`. `presence` is of one identity."""
    (style,) = presence.hair
    found = [BEARDED if presence.beard else BARE]
    if style != HairStyle.BALD:
        found.append(STYLES.get(HairStyle(style), CAP))
    optional = (
        (presence.moustache, MOUSTACHE),
        (presence.hat, HAT),
        (presence.glasses, FRAME),
        (presence.lenses, LENS),
        (presence.earrings, EARRINGS),
    )
    return found + [component for is_there, component in optional if is_there]


def color_kernel(part: Part) -> str:
    """The name of the kernel of a part's colour."""
    return f"{part.name.lower()}_color"


def source() -> str:
    """The kernels of all components and colours, as text."""
    every = [BARE, BEARDED, CAP, *STYLES.values(), MOUSTACHE, HAT, FRAME, LENS, EARRINGS]
    kernels = {c.kernel: write_kernel(c.kernel, c.distances) for c in every}
    for part, color in COLORS.items():
        kernels[color_kernel(part)] = write_kernel(color_kernel(part), _colors(color))
    return "\n\n".join(kernels.values())


def _colors(color: Callable[..., Tensor]) -> Callable[[Points, Puppet], list[Tensor]]:
    return lambda points, puppet: [color(to_head(points, puppet.identity.head), puppet)]
