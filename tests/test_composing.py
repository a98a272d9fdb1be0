"""What is kept between compositions (composing.py) changes none of them."""

from omegaconf import OmegaConf

from pipeline.build.configuration import compose

GIVEN = ("teacher=toy", "loss=[triplane,image]", "batch_size=3", "name='a b'")


def test_a_composition_knows_nothing_of_what_was_done_to_the_last():
    first = compose("distill", *GIVEN)
    plain = OmegaConf.to_container(first, resolve=True)
    first.teacher.resolution, first.loss = 7, {}
    del first.plan
    first.callbacks.validation.samples = 1
    assert OmegaConf.to_container(compose("distill", *GIVEN), resolve=True) == plain
    assert compose("distill", "name=other").batch_size != 3


def test_the_files_of_a_user_are_read_each_time(tmp_path):
    (tmp_path / "teacher").mkdir()
    for resolution in (5, 6):
        (tmp_path / "teacher" / "mine.yaml").write_text(f"resolution: {resolution}\n")
        found = compose("distill", f"hydra.searchpath=[file://{tmp_path}]", "teacher=mine")
        assert found.teacher.resolution == resolution
