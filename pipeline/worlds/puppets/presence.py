"""Which optional parts occur in a batch, so that the readable world leaves out the others."""

from dataclasses import dataclass

from .factors import BeardKind, GlassesKind, HairStyle, Identity


@dataclass(frozen=True)
class Presence:
    """The hair styles (numbers of HairStyle) and accessories of a batch."""

    hair: frozenset[int]
    hat: bool
    glasses: bool
    lenses: bool
    earrings: bool
    beard: bool
    moustache: bool

    @classmethod
    def everything(cls) -> "Presence":
        """For a kernel that must serve any batch."""
        return cls(frozenset(int(style) for style in HairStyle), True, True, True, True, True, True)

    @classmethod
    def of(cls, identity: Identity) -> "Presence":
        """What these identities have."""
        hair, outfit = identity.hair, identity.outfit
        return cls(
            hair=frozenset(int(style) for style in hair.style.unique()),
            hat=bool((outfit.hat > 0).any()),
            glasses=bool((outfit.glasses > 0).any()),
            lenses=bool((outfit.glasses == int(GlassesKind.SUN)).any()),
            earrings=bool((outfit.earrings > 0).any()),
            beard=bool((hair.beard >= int(BeardKind.FULL)).any()),
            moustache=bool((hair.moustache > 0).any()),
        )
