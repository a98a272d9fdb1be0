"""Tones, brows and irises as they are distributed."""

import colorsys

import numpy as np
import pytest

pytest.importorskip("anny")

from pipeline.worlds.heads.complexion import MONK, TONES, tone_albedo
from pipeline.worlds.heads.distributions import draw_identity
from pipeline.worlds.heads.rows import linear

LUMINANCE = np.array([0.2126, 0.7152, 0.0722])


@pytest.fixture(scope="module")
def people():
    return [draw_identity(seed) for seed in range(300)]


def test_tones_are_as_light_as_their_swatches():
    swatches = np.array([[int(code[i : i + 2], 16) for i in (0, 2, 4)] for code in MONK]) / 255
    expected = np.log(linear(swatches) @ LUMINANCE)
    albedo = np.log([tone_albedo(float(tone)) @ LUMINANCE for tone in range(10)])
    assert np.corrcoef(expected, albedo)[0, 1] > 0.99
    np.testing.assert_array_equal(np.argsort(albedo), np.argsort(expected))


@pytest.mark.parametrize("tone", range(10))
def test_skin_is_red_before_green_before_blue_as_blood_and_melanin_make_it(tone):
    for undertone in (-1.0, 0.0, 1.0):
        red, green, blue = tone_albedo(float(tone), undertone)
        assert 1.2 < red / green < 2.2
        assert 0.45 < blue / green < 0.95


def test_all_tones_occur_about_equally_often(people):
    np.testing.assert_allclose(TONES.mean(0), 0.1)
    np.testing.assert_allclose(TONES.sum(1), 1.0)
    counts = np.bincount([round(who.skin.tone) for who in people], minlength=10)
    assert len(counts) == 10
    assert 0.05 * len(people) < counts.min() and counts.max() < 0.16 * len(people)


def test_brows_of_young_people_are_brown_or_black_or_blond_and_never_dyed_or_grey(people):
    for who in people:
        if who.physique.age > 38:
            continue
        red, green, blue = who.skin.brow
        assert red >= green >= blue
        assert who.skin.brow @ LUMINANCE < 0.2


def test_brown_is_the_most_frequent_eye_colour_and_light_ones_belong_to_light_skin(people):
    hues = [colorsys.rgb_to_hsv(*who.eyes.iris)[0] for who in people]
    brown = np.array([hue < 0.11 for hue in hues])
    dark = np.array([who.skin.tone > 4.2 for who in people])
    assert 0.55 < brown.mean() < 0.92
    assert brown[dark].mean() > 0.9
    assert (~brown[~dark]).mean() > 0.2


def test_only_women_wear_make_up_and_not_all_of_them(people):
    women = [who for who in people if who.physique.femininity > 0.5]
    made_up = [who for who in women if who.skin.foundation > 0]
    assert 0.3 < len(made_up) / len(women) < 0.6
    for who in people:
        if who.skin.foundation == 0:
            assert who.skin.lipstick == who.skin.eyeshadow == who.skin.liner == 0
