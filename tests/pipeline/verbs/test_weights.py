"""`trilift weights` lists what is outside and refuses what it doesn't know."""

import pytest

from pipeline.build.configuration import compose
from pipeline.command_line import named_weights
from pipeline.verbs import weights
from pipeline.weights.catalogue import OUTSIDE


def test_the_list_has_every_network_with_its_terms(tmp_path, capsys):
    (tmp_path / "alexnet_features.safetensors").touch()
    weights.main(compose("weights", f"paths.weights={tmp_path}"))
    said = capsys.readouterr().out
    assert "alexnet: present" in said and "vgg16: absent" in said
    for outside in OUTSIDE:
        assert outside.licence in said and outside.file in said and outside.sha256 in said


def test_an_unknown_name_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(ValueError, match=r"'alex': give alexnet, vgg16, identity"):
        weights.main(compose("weights", "name=alex", f"paths.weights={tmp_path}"))


def test_bare_names_become_a_setting():
    given = ["identity", "vgg16", "downloads=here"]
    assert named_weights(given) == ["name=[identity,vgg16]", "downloads=here"]
    assert named_weights(["--cfg", "job"]) == ["--cfg", "job"]
