"""A number that a kind of teacher reads nowhere is refused where a user gives it, only there."""

import json

import pytest

from pipeline.build.configuration import compose
from pipeline.build.pretraining import teacher_configuration
from pipeline.verbs import pretrain
from teachers.checkpoint import BUNDLED
from teachers.kinds import settings_of
from teachers.wysiwyg.configuration import WysiwygConfiguration

UNREAD = ("density_gain=20.0", "logit_gain=2.0", "decoder_learning_rate=0.5", "feature_channels=32")


@pytest.mark.parametrize("given", UNREAD)
def test_what_no_network_of_a_wysiwyg_reads_is_refused_before_images_are_drawn(given, tmp_path):
    config = compose(
        "pretrain",
        "teacher_network=wysiwyg64",
        f"paths.run={tmp_path / 'run'}",
        f"data.path={tmp_path / 'images.zip'}",
        f"++teacher.{given}",
    )
    with pytest.raises(ValueError, match=rf"teacher\.{given.split('=')[0]} is .*: leave it out"):
        pretrain.main(config)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("network", ["wysiwyg64", "wysiwyg64_heads", "wysiwyg512"])
def test_the_networks_of_this_package_give_nothing_of_it(network):
    config = compose("pretrain", f"teacher_network={network}")
    configuration = teacher_configuration(config)
    assert isinstance(configuration, WysiwygConfiguration)
    assert configuration.feature_channels == 3


def test_what_a_stored_teacher_says_and_what_the_two_passes_read_is_taken():
    stored = json.loads((BUNDLED / "puppets_wysiwyg" / "config.json").read_text())
    config = compose("pretrain", "teacher_network=wysiwyg64")
    config.teacher = settings_of(WysiwygConfiguration.from_dict(stored))
    assert teacher_configuration(config).to_dict() == stored
    # Before the sampler has learnt, rays are marched as these say.
    config.teacher.first_pass, config.teacher.in_disparity = "proposal", True
    assert teacher_configuration(config).first_pass == "proposal"


def test_an_eg3d_reads_them_all():
    config = compose("pretrain", "++teacher.decoder_learning_rate=0.5")
    configuration = teacher_configuration(config)
    assert (configuration.density_gain, configuration.decoder_learning_rate) == (20.0, 0.5)
