"""The networks that methods use, each loaded at its first use and shared by all methods."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pipeline.inference.reconstructor import Reconstructor
from pipeline.inference.runtimes import TORCH
from pipeline.lifter import Lifter
from teachers.passport import Passport
from teachers.stylegan.discriminator import Discriminator
from teachers.teacher import Teacher

from .perceptual import DiscriminatorTerm, NoTerm, PerceptualTerm, lpips_term


class Models:
    """Teacher, student and perceptual term, each loaded only if a method uses it.

    Args:
        teacher: loads the teacher; None: there is none.
        student: loads the student; None: there is none.
        discriminator: loads the discriminator of the teacher with a passport; None, or if it raises
            FileNotFoundError: there is none.
        weights_folder: may hold the files of LPIPS.
        device: of all networks; None: the CPU.
        runtime, runtime_file, bfloat16: what runs the student's encoder where that isn't optimised,
            and how (`Reconstructor`).
    """

    def __init__(
        self,
        *,
        teacher: Callable[[], Teacher] | None = None,
        student: Callable[[], Lifter] | None = None,
        discriminator: Callable[[Passport], Discriminator] | None = None,
        weights_folder: Path | str = "weights",
        device: torch.device | None = None,
        runtime: str = TORCH,
        runtime_file: Path | str | None = None,
        bfloat16: bool = False,
    ) -> None:
        self._load_teacher, self._load_student, self._load_discriminator = (
            teacher,
            student,
            discriminator,
        )
        self._encoding: dict[str, Any] = {
            "runtime": runtime,
            "runtime_file": runtime_file,
            "bfloat16": bfloat16,
        }
        self._weights_folder = Path(weights_folder)
        self._device = device or torch.device("cpu")
        self._terms: dict[str, PerceptualTerm] = {}

    @cached_property
    def teacher(self) -> Teacher:
        """The teacher; ValueError if there is none."""
        if self._load_teacher is None:
            raise ValueError(
                "this method optimises in the latent space of a teacher, and none was given: add"
                " teacher=…"
            )
        teacher: Teacher = self._placed(self._load_teacher())
        return teacher

    @cached_property
    def student(self) -> Lifter:
        """The student, in evaluation mode; ValueError if there is none."""
        if self._load_student is None:
            raise ValueError(
                "this method starts from a student's prediction, and no student was given: add"
                " checkpoint=…"
            )
        student: Lifter = self._placed(self._load_student()).eval()
        return student

    def reconstructor(self) -> Reconstructor:
        """The student at work; ValueError if there is none, or it can't be run so."""
        return Reconstructor(self.student, **self._encoding)

    def perceptual(self, passport: Passport) -> PerceptualTerm:
        """LPIPS if its files are in the weights folder, otherwise the teacher's discriminator,
        otherwise none; the term's `name` says which.

        Args:
            passport: of the teacher whose renderings will be compared.

        Raises:
            ValueError: a file of LPIPS is not the published one, or the discriminator's input isn't
                the teacher's renderings.
        """
        if passport.source_hash not in self._terms:
            self._terms[passport.source_hash] = self._placed(self._choose_term(passport))
        return self._terms[passport.source_hash]

    def _choose_term(self, passport: Passport) -> PerceptualTerm:
        found = lpips_term(self._weights_folder)
        if found is not None:
            return found
        if self._load_discriminator is not None:
            try:
                return DiscriminatorTerm(self._load_discriminator(passport), passport)
            except FileNotFoundError:
                pass
        return NoTerm()

    def _placed(self, network: Any) -> Any:
        return network.to(self._device) if isinstance(network, nn.Module) else network
