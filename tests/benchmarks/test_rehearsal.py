"""The reproducer's rehearsal, itself rehearsed on a CPU."""

import pytest

from tests.benchmarks import rehearsal


@pytest.mark.slow
def test_every_stage_is_planned_trained_killed_continued_and_evaluated(tmp_path):
    document = rehearsal.rehearse(tmp_path, device="cpu", scale="tiny", batch_size=2)
    assert set(document["measured"]) == set(rehearsal.STAGES)
    assert all(seconds > 0 for seconds in document["measured"].values())
    assert set(rehearsal.planned(document["plan"])) == set(rehearsal.STAGES)
    assert (tmp_path / "evaluation" / "results.json").is_file()
    assert "| adversarial_both_views |" in (tmp_path / "rehearsal.md").read_text()


def test_a_verb_that_fails_is_reported_with_what_it_said():
    with pytest.raises(ValueError, match=r"(?s)trilift convert failed.*no_such.pkl is not a file"):
        rehearsal.finished("convert", "checkpoint=no_such.pkl", "output=nowhere")
