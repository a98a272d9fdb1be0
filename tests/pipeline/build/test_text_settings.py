"""What is given for a name, a file or a folder is text as typed."""

import pytest

from pipeline.build.configuration import compose, to_plain
from pipeline.build.text_settings import with_text


@pytest.mark.parametrize("typed", ["2026_1_12", "2024", "1e3", "0x", "007", "1_000.5", "nan", "-1"])
@pytest.mark.parametrize(("verb", "key"), [("lift", "output"), ("evaluate", "checkpoint")])
def test_a_path_that_looks_like_a_number_is_text(verb, key, typed):
    assert compose(verb, f"{key}={typed}")[key] == typed


def test_two_names_are_two_runs():
    runs = [compose("distill", f"name={name}").paths.run for name in ("2026_1_12", "2026_11_2")]
    assert runs[0].endswith("2026_1_12") and runs[1].endswith("2026_11_2")


def test_lists_and_sweeps_are_text_word_by_word_and_the_rest_stays():
    config = compose("evaluate", "predictions=[2024_1,b,1e3]", "seed=1_0", "checkpoint=null")
    assert config.predictions == ["2024_1", "b", "1e3"]
    assert config.seed == 10 and config.checkpoint is None
    kept = ["--cfg", "job", "name='2024'", "loss.weight=1e3", "name=choice(1,2)", "verify=true"]
    assert with_text(kept) == kept
    assert with_text(["name=1,b", "+paths.run=2024"]) == ["name='1',b", "+paths.run='2024'"]


def test_names_and_paths_in_a_users_file_are_text_as_typed(tmp_path):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(
        "# @package _global_\nverb: distill\nname: 2026_1_12\nstart_from: 1e3\nseed: 1_0\n"
        "imagenet: null\npaths:\n  weights: 007\nsampler:\n  batches: [1_0]\n"
        "logger:\n  other:\n    group: [12:30, '1_0', b, null]\n"
    )
    place = f"hydra.searchpath=[file://{tmp_path}]"
    config = compose("distill", place, "experiment=mine", "++sampler.batches=[1_0]")
    assert (config.name, config.start_from, config.paths.weights) == ("2026_1_12", "1e3", "007")
    assert config.paths.run.endswith("2026_1_12") and config.imagenet is None
    assert config.seed == 10 and config.sampler.batches == [10]
    assert config.logger.other.group == ["12:30", "1_0", "b", None]


def test_a_key_of_that_name_with_keys_below_is_no_path():
    stages = to_plain(compose("distill", "experiment=laptop"))["plan"]["stages"]
    assert stages["planes"]["steps"] == 120 and stages["planes"]["reference_every"] == 10
