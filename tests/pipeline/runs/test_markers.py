"""Every key determines the result unless a marker beside it names it."""

from collections.abc import Iterator
from typing import Any

import pytest
from omegaconf import OmegaConf

from pipeline.build.configuration import compose, free_keys, instantiate, to_plain
from pipeline.runs import markers
from pipeline.runs.markers import (
    KEPT,
    RESUMABLE,
    RUNTIME,
    decisive,
    marked_keys,
    with_markers,
    without_markers,
)
from pipeline.runs.run_folder import RunFolder

CONFIG = {
    "_runtime_": ["paths"],
    "paths": {"run": "here"},
    "trainer": {"_runtime_": ["threads"], "_resumable_": ["max_steps"], "threads": 1, "lr": 0.1},
}

OPTIONS = {
    "distill": [
        (),
        ("data=latent_shards", "data.path=x", "loss=[perceptual,dists,identity]", "sampler=fast"),
        ("teacher=folder", "teacher.path=x"),
    ],
    "evaluate": [("suite=puppets",), ("sampler=fast",)],
    "pretrain": [(), ("data=photographs", "data.path=x")],
}


def keys(node: Any, path: str = "") -> Iterator[str]:
    for key, value in node.items() if isinstance(node, dict) else ():
        yield f"{path}{key}"
        yield from keys(value, f"{path}{key}.")


@pytest.mark.parametrize("verb", sorted(OPTIONS))
def test_markers_name_keys_that_exist(verb):
    configurations = [
        OmegaConf.to_container(compose(verb, *options), resolve=False) for options in OPTIONS[verb]
    ]
    known = {key for configuration in configurations for key in keys(configuration)}
    marked = {key for configuration in configurations for key in marked_keys(configuration)}
    assert marked and marked <= known, f"markers name {sorted(marked - known)}, which don't exist"


def test_what_may_change_between_starts_of_a_distillation_is_marked():
    config = compose("distill", "teacher=folder", "teacher.path=x", "loss=[perceptual]")
    runtime = {"name", "paths", "logger", "callbacks.state", "trainer.threads", "trainer.devices"}
    assert runtime <= set(free_keys(config, RUNTIME))
    resumable = {"teacher.path", "trainer.max_steps", "loss.perceptual.weights_folder"}
    assert resumable <= set(free_keys(config, RESUMABLE))
    assert not {"seed", "batch_size", "optimizer", "plan", "trainer"} & set(free_keys(config))
    assert free_keys(config, KEPT) == ("kernels",)
    assert free_keys(compose("evaluate"), KEPT) == ()


def test_markers_are_dotted_from_the_root_and_are_removed():
    assert marked_keys(CONFIG) == ("paths", "trainer.threads", "trainer.max_steps")
    assert marked_keys(CONFIG, RESUMABLE) == ("trainer.max_steps",)
    plain = without_markers(CONFIG)
    assert plain == {"paths": {"run": "here"}, "trainer": {"threads": 1, "lr": 0.1}}
    assert decisive(plain, marked_keys(CONFIG)) == {"trainer": {"lr": 0.1}}
    assert to_plain(OmegaConf.create(CONFIG)) == plain
    assert with_markers(plain, CONFIG) == CONFIG


def test_nothing_that_is_built_sees_a_marker():
    node = {"_target_": "teachers.toy.ToyTeacher", "_runtime_": ["resolution"], "resolution": 8}
    assert instantiate(node).passport.image_resolution == 8


def test_an_added_key_may_have_the_value_that_repeats_earlier_behaviour(tmp_path, monkeypatch):
    with RunFolder(tmp_path) as run:
        run.record({"trainer": {"lr": 0.1}})
        with pytest.raises(ValueError, match=r"trainer\.fused: \(absent\) → false"):
            run.record({"trainer": {"lr": 0.1, "fused": False}})
        monkeypatch.setitem(markers.ADDED, "trainer.fused", False)
        assert run.record({"trainer": {"lr": 0.1, "fused": False}})
    with RunFolder(tmp_path / "other") as run:
        run.record({"trainer": {"lr": 0.1}})
        with pytest.raises(ValueError, match=r"trainer\.fused: \(absent\) → true"):
            run.record({"trainer": {"lr": 0.1, "fused": True}})
