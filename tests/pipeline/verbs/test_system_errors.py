"""Errors of the system name the path that the user gave, in every verb, and leave nothing half
written.
"""

import errno
import importlib
import json
import os

import numpy as np
import pytest
from PIL import Image

from pipeline.build.application import _message
from pipeline.build.configuration import USER_ERRORS, compose
from pipeline.runs.files import replaced_folder
from tests.small_disk import small_files

LABEL = [1, 0, 0, 0, 0, -1, 0, 0, 0, 0, -1, 2.7, 0, 0, 0, 1, 4.2, 0, 0.5, 0, 4.2, 0.5, 0, 0, 1]

WRITING = {
    "prepare": ("output", ("input={}/a.png", "portraits=centre")),
    "lift": ("output", ("input={}/a.png", "portraits=centre", "turntable.frames=1")),
    "cameras": ("output", ("input={}/dataset.json", "to=opengl")),
    "manifest": ("output", ("input={}/a.png", "portraits=centre")),
    "provenance": ("folder", ("action=init",)),
}
READING = {
    **dict.fromkeys(("prepare", "lift"), ("input", ("output={}/out",))),
    **dict.fromkeys(("convert", "check"), ("checkpoint", ("output={}/out",))),
    "licenses": ("file", ()),
    "cameras": ("input", ()),
    "manifest": ("check", ()),
    "evaluate": ("verify", ()),
}


@pytest.fixture
def place(tmp_path):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": [["a.png", LABEL]] * 1}))
    (tmp_path / "file").write_text("in the way")
    return tmp_path


def said(place, verb, settings, key, value):
    """The line that the verb ends with."""
    settings = [setting.format(place) for setting in settings]
    if verb == "check":
        settings = []
    with pytest.raises(USER_ERRORS) as caught:
        importlib.import_module(f"pipeline.verbs.{verb}").main(
            compose(verb, *settings, f"{key}={value}")
        )
    return _message(caught.value)


@pytest.mark.parametrize("verb", WRITING)
def test_a_place_that_cannot_be_written_is_named(place, verb):
    key, settings = WRITING[verb]
    long, below = place / ("x" * 300 + ".json"), place / "file" / "x.json"
    line = said(place, verb, settings, key, long)
    assert "x" * 300 in line and line.endswith("file name too long: give a shorter name")
    line = said(place, verb, settings, key, below)
    assert str(place / "file") in line and line.endswith(": a part of the path is a file")


@pytest.mark.parametrize("verb", ["cameras", "provenance"])
def test_a_full_disk_is_named_and_the_same_command_works_afterwards(place, verb):
    key, settings = WRITING[verb]
    given = place / ("new" if verb == "provenance" else "new.json")
    with small_files(64):
        line = said(place, verb, settings, key, given)
    assert str(given) in line and "file too large" in line
    settings = [setting.format(place) for setting in settings]
    importlib.import_module(f"pipeline.verbs.{verb}").main(
        compose(verb, *settings, f"{key}={given}")
    )


def test_a_model_of_colmap_that_breaks_off_is_not_there_and_the_same_command_works(place):
    settings = ["input={}/many.json", "to=colmap", "size=64"]
    labels = [[f"{number}.png", LABEL] for number in range(9)]
    (place / "many.json").write_text(json.dumps({"labels": labels}))
    with small_files(256):  # cameras.txt fits, images.txt doesn't
        line = said(place, "cameras", settings, "output", place / "model")
    assert line.startswith(str(place / "model" / "images.txt")) and "file too large" in line
    assert not list((place / "model").iterdir())
    settings = [setting.format(place) for setting in settings]
    importlib.import_module("pipeline.verbs.cameras").main(
        compose("cameras", *settings, f"output={place / 'model'}")
    )
    assert len(list((place / "model").iterdir())) == 3


@pytest.mark.parametrize("verb", READING)
def test_a_path_that_cannot_be_read_is_named(place, verb):
    key, settings = READING[verb]
    line = said(place, verb, settings, key, place / ("x" * 300))
    assert "x" * 300 in line and "\n" not in line.strip()


def test_an_error_without_a_path_still_says_what_to_do(tmp_path):
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert _message(full) == "no space left on device: free some space, or choose another place"
    with pytest.raises(OSError) as caught, replaced_folder(tmp_path / "teacher"):
        raise full
    assert caught.value.filename == str(tmp_path / "teacher") and not list(tmp_path.iterdir())
