"""A plan says for every step which stage trains it, and refuses what cannot be trained."""

import pytest
import torch

from pipeline.build.configuration import compose, to_plain
from pipeline.distillation.plan import StageSettings, TrainingPlan, used_losses
from pipeline.losses.feature import FeatureLoss
from pipeline.losses.image import ImageLoss
from pipeline.losses.triplane import TriplaneLoss

ADVERSARY = {"reference": 0.1, "novel": 0.025}


def losses() -> dict[str, torch.nn.Module]:
    return {"triplane": TriplaneLoss(), "image": ImageLoss(weight=0.5), "feature": FeatureLoss()}


OWN = {"triplane": 1.0, "image": 0.5, "feature": 1.0, "unused": 0.0}


def plan_of(**stages: dict) -> TrainingPlan:
    return TrainingPlan.from_settings(
        {name: StageSettings.from_dict(name, values) for name, values in stages.items()},
        losses(),
        OWN,
    )


def two_stages() -> TrainingPlan:
    return plan_of(
        first={"steps": 30, "reference_every": 10},
        second={
            "steps": 7,
            "reference_every": 2,
            "weights": {"triplane": 0.01, "feature": 0},
            "adversarial": ADVERSARY,
        },
        third={
            "reference_every": 1,
            "weights": {"triplane": 0.01, "feature": 0},
            "adversarial": ADVERSARY,
        },
    )


def test_each_step_belongs_to_one_stage():
    plan = two_stages()
    assert [plan.at(step).name for step in (0, 29, 30, 36, 37, 10**9)] == [
        "first",
        "first",
        "second",
        "second",
        "third",
        "third",
    ]


def test_a_stage_weighs_the_losses_and_does_not_compute_those_of_weight_zero():
    first, second, _ = two_stages().stages
    assert first.losses.weights == {"triplane": 1.0, "image": 0.5, "feature": 1.0}
    assert second.losses.weights == {"triplane": 0.01, "image": 0.5, "feature": 0.0}
    assert second.losses.losses["image"] is first.losses.losses["image"]


def test_the_reference_view_comes_up_as_often_as_the_stage_says():
    plan = two_stages()
    seen = [len(plan.at(step).views(step)) - 1 for step in range(45)]
    assert [sum(part) for part in (seen[:30], seen[30:37], seen[37:])] == [3, 4, 8]


def test_a_phase_ends_with_its_last_stage_or_with_the_run():
    plan = two_stages()
    assert [plan.phase_end(step, 100) for step in (0, 29, 30, 50)] == [30, 30, 100, 100]
    assert [plan.phase_end(step, 20) for step in (0, 5)] == [20, 20]
    assert [plan.phase_end(step, -1) for step in (0, 30)] == [30, -1]
    ended = plan_of(only={"steps": 12})
    assert (ended.phase_end(0, 100), ended.end(100), ended.end(-1), ended.end(5)) == (12, 12, 12, 5)


def test_losses_that_no_stage_uses_need_not_be_built():
    stages = {
        "a": StageSettings(steps=3, weights={"feature": 0.0}),
        "b": StageSettings(weights={"feature": 0.0, "image": 0.0}),
    }
    assert used_losses(stages, OWN) == ["triplane", "image"]


@pytest.mark.parametrize(
    ("stages", "complaint"),
    [
        ({"a": {}, "b": {}}, "'a' of the plan has no `steps`"),
        ({"a": {"adversarial": ADVERSARY, "steps": 3}, "b": {}}, "only such stages may follow"),
        ({"a": {"weights": {"identity": 1.0}}}, "the plan weighs identity"),
        (
            {"a": {"weights": {"triplane": 0.0, "image": 0.0, "feature": 0.0}}},
            "no loss is left",
        ),
        ({"a": {"length": 3}}, r"unknown keys \['length'\]"),
        ({"a": {"reference_every": 0}}, "count from 1"),
        ({"a": {"adversarial": {"novel": 1.0}}}, "give reference and novel"),
    ],
)
def test_plans_that_cannot_be_trained_are_refused(stages, complaint):
    with pytest.raises(ValueError, match=complaint):
        plan_of(**stages)


@pytest.mark.parametrize("plan", ["one_stage", "two_stage", "lp3d"])
def test_every_plan_is_one(plan):
    config = to_plain(compose("distill", f"plan={plan}"))
    stages = {
        name: StageSettings.from_dict(name, values)
        for name, values in config["plan"]["stages"].items()
    }
    named = {name for stage in stages.values() for name in stage.weights}
    own = dict.fromkeys(("triplane", "image", "feature", "perceptual", "identity", "depth"), 1.0)
    assert named <= set(own)
    assert used_losses(stages, own)
