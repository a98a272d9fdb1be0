"""What an evaluation is put together from: the student, its teacher, the suite, who is asked, what
is measured.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from pipeline.evaluation.answers import Answer, constant_answer, fresh_student, student_answer
from pipeline.evaluation.engine import Task
from pipeline.evaluation.foreign import ForeignMethod
from pipeline.evaluation.mean_planes import mean_planes
from pipeline.evaluation.metrics.available import Available, available_measures
from pipeline.evaluation.metrics.metric import Metric
from pipeline.evaluation.results import Asked
from pipeline.evaluation.suites.held_out_teacher_suite import TeacherSuite
from pipeline.evaluation.suites.suite import Suite, SuiteContext
from pipeline.inference.device import device_named
from pipeline.inference.pretrained import student_file
from pipeline.inversion.method import Method
from pipeline.inversion.models import Models
from pipeline.lifter import Lifter
from pipeline.runs.files import sha256_of_file
from pipeline.sampling.calibration import calibrate
from pipeline.sampling.source import Sampler
from teachers.checkpoint import load_discriminator
from teachers.passport import Passport
from teachers.teacher import Teacher

from .configuration import instantiate, to_plain
from .sampler import build_sampler

log = logging.getLogger(__name__)

CEILING = "ceiling"
TRIVIAL = ("untrained", "mean_planes", "mean_latent")
"""Answers that are no method: what a student has to beat."""


@dataclass(frozen=True)
class Evaluation:
    """Everything that a configuration asks for; each part is built when it is first needed.

    Attributes:
        config: of `trilift evaluate`.
        device: where this process works; None: what the configuration says.
    """

    config: DictConfig
    device_name: str | None = None

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The configuration as plain values."""
        return to_plain(self.config)

    @cached_property
    def device(self) -> torch.device:
        """Where methods work."""
        return device_named(self.device_name or self.config.device)

    @cached_property
    def lifter(self) -> Lifter:
        """The student; ValueError where none was named."""
        if self.config.checkpoint is None:
            raise ValueError(
                "no student was named: give checkpoint=FILE.safetensors, or ask about files alone"
                " (methods=[] predictions=…)"
            )
        return Lifter.load(student_file(self.config.checkpoint)).to(self.device)

    @cached_property
    def teacher(self) -> Teacher:
        """The student's own; ValueError if it is another one."""
        teacher: Teacher = instantiate(self.config.teacher)
        if self.config.checkpoint is not None:
            self.lifter.passport.require_same(
                teacher.passport, mine=f"the student {self.config.checkpoint}", others="the teacher"
            )
        return teacher

    @cached_property
    def passport(self) -> Passport:
        """The student's, or that of the configured teacher where there is no student."""
        return self.lifter.passport if self.config.checkpoint is not None else self.teacher.passport

    @cached_property
    def sampler(self) -> Sampler:
        """Draws identities of the teacher as a distillation does."""
        return build_sampler(self.config, self.teacher).to(self.device)

    @cached_property
    def context(self) -> SuiteContext:
        """What suites may know."""
        size = self.passport.image_resolution
        if self.config.checkpoint is not None:
            size = int(getattr(self.lifter.encoder, "image_size"))  # noqa: B009 (nn.Module types it Tensor)
        sampler = None if self.config.teacher is None else self.sampler
        return SuiteContext(
            self.passport, sampler, size, self.device, Path(self.config.paths.weights)
        )

    @cached_property
    def suite(self) -> Suite:
        """Whom the methods are asked about."""
        suite: Suite = instantiate(self.config.suite, context=self.context)
        return suite

    @cached_property
    def foreign(self) -> list[ForeignMethod]:
        """Methods that come as files."""
        given = self.settings["predictions"] or []
        return [
            ForeignMethod.read(Path(folder))
            for folder in ([given] if isinstance(given, str) else given)
        ]

    @cached_property
    def available(self) -> Available:
        """What can be measured, and what can't and why."""
        estimator = (
            None if self.config.pose_estimator is None else instantiate(self.config.pose_estimator)
        )
        return available_measures(
            Path(self.config.paths.weights), self.settings["metrics"], estimator
        )

    @cached_property
    def checkpoint_sha256(self) -> str | None:
        """Of the student's file."""
        return (
            None
            if self.config.checkpoint is None
            else sha256_of_file(student_file(self.config.checkpoint))
        )

    @cached_property
    def tasks(self) -> list[Task]:
        """The suite with everybody who is asked, and the ceiling: the student on its own teacher's
        identities.
        """
        shared = {
            "measures": self.available.measures,
            "device": self.device,
            "seed": self.config.seed,
        }
        answers = [self.answer(name) for name in self.settings["methods"]]
        tasks = [
            Task(
                suite=self.suite,
                answers=answers,
                foreign=self.foreign,
                checkpoint_sha256=self.checkpoint_sha256,
                **shared,
            )
        ]
        if self.has_ceiling:
            student = student_answer(
                self.lifter, CEILING, "student on its teacher's identities", kind="ceiling"
            )
            tasks.append(
                Task(
                    suite=self.ceiling,
                    answers=[student],
                    checkpoint_sha256=self.checkpoint_sha256,
                    **shared,
                )
            )
        return tasks

    @property
    def has_ceiling(self) -> bool:
        """Whether the student is asked about its teacher's identities beside the suite."""
        return (
            bool(self.config.ceiling_identities)
            and "student" in self.settings["methods"]
            and not isinstance(self.suite, TeacherSuite)
        )

    @cached_property
    def ceiling(self) -> TeacherSuite:
        """Held-out identities of the teacher from two cameras."""
        shown = {
            "identities": self.config.ceiling_identities,
            "views": 2,
            "seed": self.config.ceiling_seed,
        }
        return TeacherSuite(context=self.context, **shown)

    def answer(self, name: str) -> Answer:
        """The method or trivial answer of a name.

        Raises:
            ValueError: there is none.
        """
        if name == "student":
            return student_answer(self.lifter)
        if name in TRIVIAL:
            return getattr(self, f"_{name}")()
        if name not in self.config.method:
            raise ValueError(
                f"there is no method {name!r}: choose from student,"
                f" {', '.join((*TRIVIAL, *self.config.method))}"
            )
        method: Method = instantiate(self.config.method[name], models=self.models)
        return Answer(
            name=name,
            title=method.title,
            lift=method.lift,
            takes_camera=True,
            kind=method.kind,
            image_size=method.image_size,
            notes=method.notes,
        )

    @cached_property
    def models(self) -> Models:
        """What an optimisation may use."""
        path = None if self.config.teacher is None else self.config.teacher.get("path")
        return Models(
            teacher=None if self.config.teacher is None else lambda: self.teacher,
            student=lambda: self.lifter,
            discriminator=None if path is None else lambda: load_discriminator(path),
            weights_folder=self.config.paths.weights,
            device=self.device,
        )

    def asked(self) -> Asked:
        """What results are made of."""
        methods = {
            answer.name: _about(answer.title, answer.kind, answer.notes)
            for task in self.tasks
            for answer in task.answers
        }
        methods |= {method.name: _about(method.title, "foreign", ()) for method in self.foreign}
        own = dict(self.suite.own_metrics())
        metrics: Mapping[str, Metric] = {
            measure.name: measure.metric for measure in self.available.measures
        } | own
        missing = {measure.name: measure.missing for measure in self.available.measures} | dict(
            self.available.absent
        )
        return Asked(
            methods=methods,
            items=[name for task in self.tasks for name in task.item_names],
            metrics=metrics,
            missing=missing,
            gaps_deg=self.suite.gaps_deg,
            parts=list(self.suite.parts),
        )

    def _untrained(self) -> Answer:
        untrained = fresh_student(self.lifter, seed=self.config.seed)
        if self.config.calibration_samples:
            calibrate(untrained.encoder, self.sampler, samples=self.config.calibration_samples)  # type: ignore[arg-type]
        return student_answer(untrained, "untrained", "untrained", kind="trivial")

    def _mean_planes(self) -> Answer:
        return constant_answer(
            self.lifter,
            mean_planes(self.sampler, self.config.mean_of),
            "mean_planes",
            "mean planes",
        )

    def _mean_latent(self) -> Answer:
        with torch.no_grad():
            subject = self.sampler.teacher.synthesize(self.sampler.teacher.mean_latent())
        return constant_answer(self.lifter, subject, "mean_latent", "mean subject")


def _about(title: str, kind: str, notes: tuple[str, ...]) -> dict[str, Any]:
    return {"title": title, "kind": kind, "notes": list(notes)}
