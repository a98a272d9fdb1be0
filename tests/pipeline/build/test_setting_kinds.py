"""Settings of another kind are one line with the key and the value, before anything is built."""

import pytest
from omegaconf import OmegaConf

from pipeline.build.configuration import compose, instantiate
from pipeline.build.setting_kinds import DECLARED, kinds, require_kinds
from pipeline.runs.progress import Deadline
from teachers.plain_values import fits


@pytest.fixture(scope="module")
def roots():
    return {verb: compose(verb) for verb in DECLARED}


def test_the_roots_themselves_have_the_kinds(roots):
    for verb, config in roots.items():
        require_kinds(verb, config)


def test_every_declared_key_stands_in_its_root(roots):
    for verb, declared in DECLARED.items():
        for key in declared:
            above, _, name = key.rpartition(".")
            node = OmegaConf.select(roots[verb], above) if above else roots[verb]
            assert name in list(node.keys()), key


@pytest.mark.parametrize(
    ("verb", "key", "value"),
    [
        ("lift", "turntable.frames", "abc"),
        ("lift", "turntable.frames", 0),
        ("lift", "turntable", 3),
        ("lift", "frames_per_second", float("nan")),
        ("lift", "crop", [1, 2]),
        ("lift", "matte", "no"),
        ("lift", "input", None),
        ("prepare", "resolution", 1.5),
        ("prepare", "background", True),
        ("convert", "focal", "wide"),
        ("cameras", "size", -1),
        ("cameras", "to", "blend"),
        ("distill", "batch_size", "abc"),
        ("distill", "trainer.max_steps", "many"),
        ("distill", "callbacks.preview.views_deg", 3),
        ("distill", "callbacks.preview.every_steps", 0),
        ("distill", "callbacks.validation.every_steps", 0),
        ("distill", "callbacks.state.every_steps", 0),
        ("distill", "trainer.gradient_clip_val", 0),
        ("distill", "trainer.max_time", 30),
        ("distill", "trainer.max_time", "01:30"),
        ("distill", "trainer.num_nodes", 0),
        *(
            ("distill", f"callbacks.{name}", None)
            for name in ("average", "validation", "preview", "guard", "state")
        ),
        ("distill", "callbacks.guard.within", 0),
        ("pretrain", "trainer.max_time", 30),
        ("pretrain", "trainer.threads", None),
        ("pretrain", "trainer.threads", 0),
        ("pretrain", "trainer.log_every", 0),
        ("pretrain", "progress.every_images", 0),
        ("pretrain", "progress.every_images", None),
        ("pretrain", "progress.drawing", None),
        ("pretrain", "card.validation", -1),
        ("evaluate", "methods", "student"),
        ("evaluate", "compare", {"a": 1}),
        ("generate", "count", 0),
        ("generate", "shards.size", 2.5),
        ("manifest", "count", "abc"),
        ("weights", "name", [None]),
    ],
)
def test_a_value_of_another_kind_is_named(roots, verb, key, value):
    config = roots[verb].copy()
    OmegaConf.update(config, key, value, force_add=True)
    plain = value if not isinstance(value, float) else float(value)
    with pytest.raises(ValueError) as caught:
        require_kinds(verb, config)
    assert key in str(caught.value)
    assert repr(plain) in str(caught.value)
    assert kinds(verb)[key].words in str(caught.value)


@pytest.mark.parametrize("value", [None, "00:00:06:30", "0:1:30:0", "00:00:90:00"])
def test_a_time_limit_is_days_hours_minutes_and_seconds(roots, value):
    for verb in ("distill", "pretrain"):
        config = roots[verb].copy()
        config.trainer.max_time = value
        require_kinds(verb, config)
        Deadline(value)


@pytest.mark.parametrize(
    ("value", "annotation", "is_right"),
    [
        (3, float, True),
        (True, int, False),
        ("3", int | None, False),
        (None, int | None, True),
        ([1, 2.5], tuple[float, ...], True),
        ([1, "a"], tuple[float, ...], False),
        ([1], tuple[float, float], False),
        ("abc", list[str], False),
        (float("nan"), float, False),
        ({"_target_": "teachers.toy.ToyTeacher"}, float, False),
    ],
)
def test_plain_values_against_annotations(value, annotation, is_right):
    assert fits(value, annotation) is is_right


def test_an_argument_of_another_type_is_named():
    node = {"_target_": "pipeline.losses.image.ImageLoss", "weight": "heavy"}
    with pytest.raises(ValueError, match=r"ImageLoss: weight is 'heavy': expected a number"):
        instantiate(node)


@pytest.mark.parametrize(("key", "value"), [("reference.radius", 2.7), ("reference", "lp3d")])
def test_a_plain_value_in_place_of_something_that_draws_is_named(key, value):
    cameras = compose("generate").cameras
    OmegaConf.update(cameras, key, value)
    name = key.rpartition(".")[2]
    with pytest.raises(ValueError, match=f"{name} is {value!r}: expected"):
        instantiate(cameras)
