"""A chain of hooks: what is cut out of a photograph goes through them, one after another.

The only place where they run: photographs, films, the page and Python's `Reconstructor.lift` all
cut through `Hooks.cut` or, if they have a crop already, `Hooks.edit`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from pipeline.pictures import to_uint8
from teachers.rendering.camera import Camera

from ..crop import Crop
from ..facemesh.segmentation import person_matte
from ..framing import Framed
from .kinds import CameraHook, Hook, MatteHook

SLACK = 1e-3
"""By how much rounding may leave [-1, 1]."""


@dataclass(frozen=True)
class Cut:
    """A square that was cut out, and edited if there are hooks.

    Attributes:
        image: in [-1, 1].
        camera: that took it (a batch of one); None: unknown.
        person: computes the share of each pixel that is a person, in [0, 1].
    """

    image: Float[Tensor, "3 height width"]
    camera: Camera | None
    person: Callable[[], Float[Tensor, "1 height width"]]

    @classmethod
    def of(cls, image: Float[Tensor, "3 height width"], camera: Camera | None = None) -> "Cut":
        """A picture without surroundings: the person is looked for in itself."""
        return cls(image, camera, lambda: _person_in(image))


@dataclass(frozen=True)
class Hooks:
    """Hooks by name, in order; without any, squares are only cut.

    Attributes:
        hooks: name → callable, see `kinds`.
        settings: name → the plain settings that made it, for records.
    """

    hooks: Mapping[str, Hook] = field(default_factory=dict)
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.hooks)

    def record(self) -> list[dict[str, Any]]:
        """Name and settings of each, in order, for metadata."""
        return [
            {"name": name, **(self.settings.get(name) or {"_target_": _address(hook)})}
            for name, hook in self.hooks.items()
        ]

    def turned(self, angles: Float[np.ndarray, "frame 3"]) -> Float[np.ndarray, "frame 3"]:
        """How a head in a film is turned after all hooks (`CameraHook.turned`): yaw, pitch and
        roll, radians; NaN where that isn't known.
        """
        for hook in self.hooks.values():
            angles = hook.turned(angles) if isinstance(hook, CameraHook) else angles
        return angles

    def require_turned(self) -> None:
        """Raises ValueError if a hook moves the head and doesn't say how."""
        for name, hook in self.hooks.items():
            if isinstance(hook, CameraHook) and np.isnan(hook.turned(np.zeros((1, 3)))).any():
                raise ValueError(
                    f"hook {name!r} ({_address(hook)}) moves the head and doesn't say how it is"
                    " turned then (CameraHook.turned), which film.camera.kind=fixed and follow"
                    " need: use counter or orbit, or leave the hook out"
                )

    def cut(self, framed: Framed, photograph: Image.Image, resolution: int) -> Cut:
        """The square out of the photograph, edited.

        Raises:
            ValueError: it reaches outside although it may not; or as `edit`.
        """

        def person() -> Tensor:
            return person_matte(photograph, framed.crop, resolution)

        return self.edit(Cut(framed.cut(photograph, resolution), framed.camera, person))

    def edit(self, cut: Cut) -> Cut:
        """The square after all hooks.

        Raises:
            ValueError: a hook raised an error, or what it returned breaks the contract; the message
                names the hook.
        """
        for name, hook in self.hooks.items():
            cut = self._edited(f"hook {name!r} ({_address(hook)})", hook, cut)
        return cut

    @torch.no_grad()
    def _edited(self, name: str, hook: Hook, cut: Cut) -> Cut:
        image = cut.image[None].clone()  # a hook may work in place
        try:
            if isinstance(hook, MatteHook):
                returned: Any = hook(image, cut.person()[None])
            elif isinstance(hook, CameraHook):
                returned = hook(image, cut.camera)
            else:
                returned = hook(image)
        except Exception as error:  # any code of a user's
            said = " ".join(str(error).split())
            raise ValueError(f"{name} failed: {type(error).__name__}: {said}") from error
        if not isinstance(hook, CameraHook):
            return replace(cut, image=_checked(name, returned, cut.image))
        if not isinstance(returned, tuple) or len(returned) != 2:
            raise ValueError(
                f"{name} returned {_described(returned)}: a CameraHook returns (image, camera)"
            )
        image, camera = returned
        if camera is not None and (not isinstance(camera, Camera) or len(camera) != 1):
            raise ValueError(
                f"{name} returned the camera {_described(camera)}: expected a Camera, one for the"
                " image, or None where it isn't known"
            )
        return Cut.of(_checked(name, image, cut.image), camera)


def _checked(name: str, image: Any, before: Tensor) -> Float[Tensor, "3 height width"]:
    """The first of a batch of one, if it keeps the contract."""
    expected = (1, *before.shape)
    if not isinstance(image, Tensor):
        raise ValueError(
            f"{name} returned {_described(image)}: expected a torch tensor {list(expected)} in"
            " [-1, 1]"
        )
    if not torch.is_floating_point(image) or image.shape != expected:
        raise ValueError(
            f"{name} returned a tensor of {image.dtype} {list(image.shape)}: expected floating"
            f" point {list(expected)}, the shape that it was given"
        )
    if not (finite := image.isfinite()).all():
        raise ValueError(
            f"{name} returned {int((~finite).sum())} values that are NaN or infinite: expected"
            " numbers in [-1, 1]"
        )
    low, high = float(image.min()), float(image.max())
    if low < -1 - SLACK or high > 1 + SLACK:
        raise ValueError(
            f"{name} returned values from {low:.4g} to {high:.4g}: images are in [-1, 1], so clamp"
            " them, or scale them back"
        )
    return image[0].clamp(-1, 1).to(before)


def _person_in(image: Float[Tensor, "3 height width"]) -> Float[Tensor, "1 height width"]:
    side = image.shape[-1]
    return person_matte(Image.fromarray(to_uint8(image)), Crop(0, 0, side), side)


def _address(hook: Hook) -> str:
    """Where the code of a hook is: of a partial, that of its function."""
    called = getattr(hook, "func", hook)
    of = called if hasattr(called, "__qualname__") else type(called)
    return f"{of.__module__}.{of.__qualname__}"


def _described(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"a {type(value).__name__} of {len(value)}"
    return f"a {type(value).__name__}" if value is not None else "nothing"
