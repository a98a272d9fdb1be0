"""What shading knows of a surface, and what a surface is made of."""

from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Surface:
    """Samples of one material, as arrays over samples.

    Attributes:
        position: world units.
        normal: unit, smooth, towards the camera.
        view: unit direction to the camera.
        rest: the place on the template's neutral head, decimetres: the same for all identities and
            expressions, hence where textures live. (Eyes at y 7.28, z 1.38; mouth y 6.61; chin
            6.19; nose tip z 1.68; crown 8.5; ears x ±.8; +x is the picture's right.)
        masks: `[sample 4]`: lips, eyelids, ears, inside of the mouth, in [0, 1].
        footprint: decimetres across one sample: finer detail must fade.
    """

    position: Array
    normal: Array
    view: Array
    rest: Array
    masks: Array
    footprint: Array

    def __len__(self) -> int:
        return len(self.position)

    def __getitem__(self, span: slice) -> "Surface":
        return Surface(*(values[span] for values in vars(self).values()))


@dataclass(frozen=True)
class Material:
    """How samples reflect.

    Attributes:
        albedo: linear RGB `[sample 3]`.
        normal: unit `[sample 3]`: the surface's, or a finer one.
        roughness: `[sample]`, in [0, 1]; .1 is wet, .5 is skin.
        specular: `[sample]`: reflectance at normal incidence; .028 is skin, .04 glass.
        subsurface: `[sample]`, in [0, 1]: how far light bleeds around, red most.
    """

    albedo: Array
    normal: Array
    roughness: Array
    specular: Array
    subsurface: Array

    @classmethod
    def plain(
        cls,
        surface: Surface,
        albedo: Array,
        roughness: float = 0.6,
        specular: float = 0.03,
        subsurface: float = 0.0,
    ) -> "Material":
        """The same everywhere, but for an albedo that may vary (`[3]` or `[sample 3]`)."""
        count = len(surface)
        return cls(
            np.broadcast_to(np.asarray(albedo, np.float32), (count, 3)).copy(),
            surface.normal,
            np.full(count, roughness, np.float32),
            np.full(count, specular, np.float32),
            np.full(count, subsurface, np.float32),
        )
