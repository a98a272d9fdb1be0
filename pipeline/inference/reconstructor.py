"""Lift once, render many: `face = reconstructor.lift(photo)`, then `face.render(camera)`."""

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.lifter import Lifter
from pipeline.portraits.framing import Framing
from pipeline.portraits.hooks.chain import Hooks
from pipeline.runs.kernel_choice import AUTO, choose, renderer_trial
from teachers.passport import Passport
from teachers.rendering.camera import Camera
from teachers.rendering.rendering import Rendering
from teachers.rendering.triplane import Triplane

from .background import background_of
from .camera_paths import orbit_of, turntable
from .device import device_named
from .photo import Photo, photo_tensor
from .pretrained import save_pretrained, student_file
from .runtimes import TORCH, lift_by

Degrees = float | int | Sequence[float | int]
"""One angle, or one for each camera."""


class LiftedPortrait:
    """An identity that has been lifted from one photograph; rendering never runs the encoder again.

    Args:
        lifter: whose renderer is used.
        triplane: of one identity.
    """

    def __init__(self, lifter: Lifter, triplane: Triplane) -> None:
        self.lifter = lifter
        self.triplane = triplane

    @property
    def passport(self) -> Passport:
        """Of the teacher whose planes these are."""
        return self.lifter.passport

    @torch.no_grad()
    def render(self, camera: Camera) -> Rendering:
        """One view for each camera: image `[camera 3 height width]` in [-1, 1], depth, opacity, ….

        The views are rendered one after another, so that memory is that of one view. Cameras may be
        on another device; views come where the planes are.
        """
        camera = camera.to(self.triplane.planes)
        views = [
            self.lifter.render(self.triplane, camera[row : row + 1]) for row in range(len(camera))
        ]
        return _joined(views)

    def view(self, yaw: float = 0.0, pitch: float = 0.0) -> Rendering:
        """The view from an angle (radians) at the teacher's own distance and focal length; 0, 0 is
        frontal.
        """
        return self.render(orbit_of(self.passport, [yaw], [pitch]))

    def orbit(self, yaw_deg: Degrees = 0.0, pitch_deg: Degrees = 0.0) -> Camera:
        """Cameras about the face, at the distance and focal length of the teacher's training.

        Args:
            yaw_deg: 0 is frontal, positive moves the camera to its own right (+x); one angle, or
                one for each camera.
            pitch_deg: positive moves the camera up; likewise.

        Returns:
            as many cameras as the longer of the two; a single angle is repeated.

        Raises:
            ValueError: two sequences of different lengths.
        """
        yaws, pitches = _radians(yaw_deg), _radians(pitch_deg)
        count = max(len(yaws), len(pitches))
        if {len(yaws), len(pitches)} - {1, count}:
            raise ValueError(
                f"{len(yaws)} yaws and {len(pitches)} pitches: give as many of both, or one angle"
            )
        yaws, pitches = (angles * (count // len(angles)) for angles in (yaws, pitches))
        return orbit_of(self.passport, yaws, pitches)

    def turntable(self, frames: int = 48) -> Camera:
        """Cameras of one round about the frontal view, for a film that loops (`camera_paths`)."""
        return turntable(self.passport, frames=frames)


class Reconstructor:
    """A student at work: evaluation mode, no gradients, one photograph a call.

    Args:
        lifter: a loaded student with its renderer; is put into evaluation mode.
        image_size: side of the images that it is given; None: that which the encoder was made for.
        runtime: torch, onnxruntime or openvino (`pipeline.inference.runtimes`).
        runtime_file: the encoder as `trilift export network=encoder` wrote it, for the other two;
            None: it is exported into the cache folder.
        bfloat16: the encoder computes in bfloat16, where the device does (`lift_by`).

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged or another student's, or this runtime can't run this
            student here (`lift_by`).
    """

    def __init__(
        self,
        lifter: Lifter,
        image_size: int | None = None,
        *,
        runtime: str = TORCH,
        runtime_file: Path | str | None = None,
        bfloat16: bool = False,
    ) -> None:
        self.lifter = lifter.eval()
        self.image_size = image_size or lifter.image_size
        self._lift = lift_by(runtime, self.lifter, self.image_size, runtime_file, bfloat16=bfloat16)
        self._takes_batches = runtime == TORCH

    @classmethod
    def from_pretrained(
        cls,
        name: Path | str,
        *,
        revision: str | None = None,
        cache_dir: Path | str | None = None,
        token: str | bool | None = None,
        local_files_only: bool = False,
        device: str = "auto",
        trust: Collection[str] = (),
        kernels: str = AUTO,
        runtime: str = TORCH,
        runtime_file: Path | str | None = None,
        bfloat16: bool = False,
    ) -> "Reconstructor":
        """A student by name, ready to lift.

        Args:
            name: "bundled/NAME", a file, a folder, or "OWNER/NAME" of a repository on the Hugging
                Face Hub (`student_file`). Nothing is downloaded for the others.
            revision, cache_dir, token, local_files_only: of a repository, as in huggingface_hub.
            device: "auto" (a GPU where there is one), or torch's name of a device.
            trust: packages besides trilift's whose code the student may name.
            kernels: readable, fast, or auto: as fast as any on this machine, measured once
                (`pipeline.runs.kernel_choice`). They hold for the whole process.
            runtime, runtime_file, bfloat16: what runs the encoder, and how, see above.

        Raises:
            FileNotFoundError: nothing has this name.
            ValueError: it is no student that this version reads, or names untrusted code; or this
                runtime can't run it here.
        """
        file = student_file(
            name,
            revision=revision,
            cache_dir=cache_dir,
            token=token,
            local_files_only=local_files_only,
        )
        lifter = Lifter.load(file, trust=trust).to(device_named(device))
        choose(
            kernels,
            lambda: renderer_trial(lifter.renderer, lifter.passport),
            device_named(device),
        )
        return cls(lifter, runtime=runtime, runtime_file=runtime_file, bfloat16=bfloat16)

    def save_pretrained(
        self,
        folder: Path | str,
        *,
        title: str | None = None,
        description: str = "",
        licence: str | None = None,
        tags: Sequence[str] = (),
    ) -> Path:
        """Writes the student as a folder that the Hub takes (`pretrained.save_pretrained`)."""
        return save_pretrained(
            self.lifter,
            folder,
            title=title,
            description=description,
            licence=licence,
            tags=tags,
        )

    @torch.no_grad()
    def lift(
        self, photo: Photo, *, framing: Framing | None = None, hooks: Hooks | None = None
    ) -> LiftedPortrait:
        """One photograph → the identity in it.

        Args:
            photo: a path, a Pillow image, 8-bit pixels as a numpy array, or a square image in
                [-1, 1] as a tensor `[3 height width]` or `[1 3 height width]` on any device.
            framing: which square of a path, image or array is cut; None: the largest in the middle.
                `pipeline.portraits.framing.FaceCrops` finds the face, as the student's training
                images show it.
            hooks: edit the square before it is lifted: `Hooks({"cartoon": Cartoon()})`.

        Raises:
            ValueError: the photograph can't be read, or a hook fails (`photo_tensor`).
        """
        image = photo_tensor(
            photo,
            resolution=self.image_size,
            background=background_of(self.lifter.passport),
            framing=framing,
            hooks=hooks,
        )
        parameter = next(self.lifter.parameters())
        return LiftedPortrait(self.lifter, self._lift(image.to(parameter)))

    @torch.no_grad()
    def lift_batch(self, images: Float[Tensor, "batch 3 height width"]) -> list[LiftedPortrait]:
        """Square images in [-1, 1] → their identities, by one forward pass (one each by a runtime
        that takes single images).
        """
        images = images.to(next(self.lifter.parameters()))
        parts = [images] if self._takes_batches else list(images.split(1))
        return [
            LiftedPortrait(self.lifter, replace(triplane, planes=triplane.planes[row : row + 1]))
            for triplane in map(self._lift, parts)
            for row in range(len(triplane.planes))
        ]


def _radians(degrees: Degrees) -> list[float]:
    angles = degrees if isinstance(degrees, Sequence) else [degrees]
    return [math.radians(angle) for angle in angles]


def _joined(views: list[Rendering]) -> Rendering:
    fields = ("image", "image_raw", "feature_image", "depth", "opacity")
    return Rendering(
        **{field: torch.cat([getattr(view, field) for view in views]) for field in fields}
    )
