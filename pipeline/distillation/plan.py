"""The training plan: the losses and their weights in every step (LP3D sec. 4.2, supp. A2).

A plan is a sequence of stages. Stages without an adversary come first and are trained by
`Distillation`, the others by `AdversarialDistillation`. A *phase* consists of all stages of one
kind; they share their optimisers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.losses.weighted_sum import WeightedSum


@dataclass(frozen=True)
class StageSettings:
    """A stage as it is configured.

    Attributes:
        steps: length; None, for the last stage only: until the run ends.
        reference_every: the reference view is rendered, too, in every reference_every-th step; the
            novel view in every step.
        weights: of the losses by name, where they differ from the losses' own; 0 switches a loss
            off.
        adversarial: weights of the adversarial loss by view, "reference" and "novel"; None: no
            adversary, and the renderer is frozen.
    """

    steps: int | None = None
    reference_every: int = 10
    weights: Mapping[str, float] | None = None
    adversarial: Mapping[str, float] | None = None

    @classmethod
    def from_dict(cls, name: str, values: Mapping[str, Any]) -> "StageSettings":
        """Reads a stage of a configuration.

        Raises:
            ValueError: an unknown key or a value out of range; the message names the stage.
        """
        unknown = sorted(set(values) - set(cls.__dataclass_fields__))
        if unknown:
            raise ValueError(
                f"stage {name!r} of the plan has unknown keys {unknown}: it takes"
                f" {', '.join(cls.__dataclass_fields__)}"
            )
        stage = cls(**values)
        if stage.reference_every < 1 or (stage.steps is not None and stage.steps < 1):
            raise ValueError(
                f"stage {name!r} of the plan has steps={stage.steps},"
                f" reference_every={stage.reference_every}: both count from 1"
            )
        if stage.adversarial is not None and set(stage.adversarial) != {"reference", "novel"}:
            raise ValueError(
                f"stage {name!r} of the plan weighs the adversary by {sorted(stage.adversarial)}:"
                " give reference and novel"
            )
        return stage

    def loss_weights(self, own: Mapping[str, float]) -> dict[str, float]:
        """The weight of every configured loss in this stage.

        Args:
            own: the losses' own weights.

        Raises:
            ValueError: a loss that isn't configured has a weight, or all weights are 0.
        """
        changes = self.weights or {}
        absent = sorted(name for name, weight in changes.items() if weight and name not in own)
        if absent:
            raise ValueError(
                f"the plan weighs {', '.join(absent)}, the configured losses are"
                f" {', '.join(sorted(own))}: add to loss=[…], or set the weight to 0"
            )
        weights = {name: float(changes.get(name, weight)) for name, weight in own.items()}
        if not any(weights.values()):
            raise ValueError(
                f"a stage of the plan gives every loss ({', '.join(sorted(own))}) the weight 0:"
                " no loss is left"
            )
        return weights


@dataclass(frozen=True)
class Stage:
    """A stage of a plan.

    Attributes:
        name: for the log and the training state.
        start, end: its steps are start ≤ step < end; end is None for a stage without one.
        reference_every, adversarial: see `StageSettings`.
        losses: with the weights of this stage.
    """

    name: str
    start: int
    end: int | None
    reference_every: int
    losses: WeightedSum
    adversarial: Mapping[str, float] | None = None

    def views(self, step: int) -> tuple[str, ...]:
        """The views that are rendered in a step."""
        return ("novel", "reference") if step % self.reference_every == 0 else ("novel",)


class TrainingPlan:
    """Stages in the order in which they are trained.

    Args:
        stages: the first begins with step 0, each other one where its predecessor ends; the last
            may be without end.

    Raises:
        ValueError: a gap, a stage without adversary after one with it, or a loss that would need an
            adversary in one without.
    """

    def __init__(self, stages: Sequence[Stage]) -> None:
        ends = [0, *(stage.end for stage in stages)]
        if not stages or [stage.start for stage in stages] != ends[:-1]:
            raise ValueError(
                "the stages of a plan follow each other without gaps, from step 0; only the last"
                " may be without `steps`"
            )
        kinds = [stage.adversarial is not None for stage in stages]
        if kinds != sorted(kinds):
            raise ValueError(
                "after a stage with an adversary only such stages may follow: the student's"
                " renderer has changed by then"
            )
        for stage in stages:
            if stage.adversarial is None and stage.losses.needs_discriminator:
                raise ValueError(
                    f"stage {stage.name!r} of the plan has a loss on the discriminator's features,"
                    " and no adversary: give that loss the weight 0 in"
                    f" plan.stages.{stage.name}.weights"
                )
        self.stages = tuple(stages)

    @classmethod
    def from_settings(
        cls,
        settings: Mapping[str, StageSettings],
        losses: Mapping[str, Any],
        own: Mapping[str, float],
    ) -> "TrainingPlan":
        """A configured plan.

        Args:
            settings: the stages by name, in order.
            losses: every loss that some stage uses (see `used_losses`).
            own: the own weights of all configured losses.
        """
        stages: list[Stage] = []
        for name, stage in settings.items():
            start = stages[-1].end if stages else 0
            if start is None:
                raise ValueError(
                    f"stage {stages[-1].name!r} of the plan has no `steps`, so {name!r} would never"
                    " begin: give it some"
                )
            compared = WeightedSum(losses)
            compared.weights = {
                key: weight for key, weight in stage.loss_weights(own).items() if key in losses
            }
            end = None if stage.steps is None else start + stage.steps
            stages.append(
                Stage(name, start, end, stage.reference_every, compared, stage.adversarial)
            )
        return cls(stages)

    @property
    def is_adversarial(self) -> bool:
        """Whether any stage has an adversary."""
        return self.stages[-1].adversarial is not None

    def at(self, step: int) -> Stage:
        """The stage of a step; beyond the end of the plan, the last."""
        return next(
            (stage for stage in self.stages if stage.end is None or step < stage.end),
            self.stages[-1],
        )

    def end(self, max_steps: int) -> int:
        """The last stage's end or `max_steps` (-1: none), whichever comes first; -1 for a run
        without end.
        """
        known = [
            value for value in (self.stages[-1].end, max_steps) if value is not None and value >= 0
        ]
        return min(known) if known else -1

    def phase_end(self, step: int, max_steps: int) -> int:
        """The end of a step's phase: that of its last stage, or of the run (see `end`)."""
        is_first = self.at(step).adversarial is None
        [*_, last] = [stage for stage in self.stages if (stage.adversarial is None) == is_first]
        run_end = self.end(max_steps)
        return run_end if last.end is None or 0 <= run_end < last.end else last.end


def used_losses(settings: Mapping[str, StageSettings], own: Mapping[str, float]) -> list[str]:
    """The names of the losses with a weight in some stage; the others needn't be built."""
    return [
        name for name in own if any(stage.loss_weights(own)[name] for stage in settings.values())
    ]
