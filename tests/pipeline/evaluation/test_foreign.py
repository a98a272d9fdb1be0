"""What another program's cameras.json may say, and what it may not."""

import json
import math

import pytest

from pipeline.evaluation.foreign import ForeignMethod, require_unique_names


def written(folder, **content):
    folder.mkdir()
    (folder / "cameras.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize("name", ["truth", "input"])
def test_a_method_is_not_called_as_the_evaluation_s_own_files(tmp_path, name):
    with pytest.raises(ValueError, match=f"names the method '{name}'.*give it another name"):
        ForeignMethod.read(written(tmp_path / "p", name=name, labels=[]))


def test_two_methods_of_one_name_are_refused_with_both_folders(tmp_path):
    one, two = (
        ForeignMethod.read(written(tmp_path / name, name="method", labels=[]))
        for name in ("one", "two")
    )
    with pytest.raises(ValueError, match=r"two and .*one have one name, 'method'"):
        require_unique_names([], [one, two])
    with pytest.raises(ValueError, match="one and the method Method have one name"):
        require_unique_names(["Method"], [one])
    require_unique_names(["student"], [one])


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_a_label_that_is_not_finite_is_refused(tmp_path, wrong):
    with pytest.raises(ValueError, match=r"labels\[0\]\[1\]\[0\] is (nan|inf): expected a number"):
        ForeignMethod.read(written(tmp_path / "p", labels=[["a_0.png", [wrong] * 25]]))


def test_two_labels_of_one_view_are_refused(tmp_path):
    labels = [["a_0.png", [0.0] * 25], ["a_0.png", [1.0] * 25]]
    with pytest.raises(ValueError, match=r"two labels for a_0\.png"):
        ForeignMethod.read(written(tmp_path / "p", labels=labels))


def test_predictions_of_another_suite_are_refused_with_what_was_found(tmp_path):
    method = ForeignMethod.read(written(tmp_path / "p", labels=[]))
    with pytest.raises(ValueError, match=r"puppet00000_0\.png is the first.*no \.png was found"):
        method.require_some(["puppet00000", "puppet00001"], "puppets")
    (method.folder / "puppet00001_0.png").touch()
    method.require_some(["puppet00000", "puppet00001"], "puppets")
    with pytest.raises(ValueError, match=r"suite=puppets_validate.*puppet00001_0\.png was found"):
        method.require_some(["validate-puppet00000"], "puppets_validate")
