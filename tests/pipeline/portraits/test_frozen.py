"""The squares that a manifest has for the frames of a film."""

import os

import pytest
from PIL import Image

from pipeline.portraits import frozen
from pipeline.portraits.face import Picture
from pipeline.portraits.film import read_pictures
from pipeline.portraits.framing import CentreSquare
from pipeline.portraits.freezing import freeze
from pipeline.portraits.front_door import PortraitSettings


def write_animation(path, levels) -> None:
    first, *others = [Image.new("RGB", (40, 32), (level, level, 0)) for level in levels]
    first.save(path, save_all=True, append_images=others, lossless=True)


def test_a_film_is_hashed_once_for_all_its_frames_and_again_when_it_changes(tmp_path, monkeypatch):
    film = tmp_path / "films" / "a.webp"
    film.parent.mkdir()
    write_animation(film, range(0, 200, 40))
    settings = PortraitSettings(framing=CentreSquare())
    about = {"name": "a", "licence": "CC0-1.0", "recipe": {}, "version": "of a test"}
    content = freeze(film.parent, settings, **about)
    crops = frozen.FrozenCrops(frozen.Frozen(tmp_path / "suite.json", content))
    hashed, digest = [], frozen.sha256_of_file
    monkeypatch.setattr(frozen, "sha256_of_file", lambda file: hashed.append(file) or digest(file))
    pictures = [Picture(image, film, number) for number, image in read_pictures(film)]
    squares = [crops.frame(picture)[0].crop for picture in pictures]
    assert len(squares) == 5 and {square.left for square in squares} == {4}
    assert hashed == [film]
    before = film.stat().st_mtime_ns
    write_animation(film, range(1, 201, 40))
    os.utime(film, ns=(before, before + 1))
    with pytest.raises(ValueError, match=r"has no crop of a\.webp"):
        crops.frame(pictures[0])
    assert hashed == [film, film]
