"""What the camera makes of light, and what rough surfaces reflect of a room."""

import numpy as np
import pytest

from pipeline.worlds.heads.exposure import MIDDLE_SKIN, metered, tone_mapped
from pipeline.worlds.heads.shading import reflected

GREY = np.ones(3, np.float32)


def test_dark_skin_is_exposed_longer_but_stays_darker():
    assert metered(1.5, GREY * MIDDLE_SKIN) == pytest.approx(1.5)
    albedos = np.array([0.04, 0.1, MIDDLE_SKIN, 0.5])
    exposures = np.array([metered(1.0, GREY * albedo) for albedo in albedos])
    assert (np.diff(exposures) < 0).all()
    assert (np.diff(exposures * albedos) > 0).all()


def test_the_tone_curve_is_srgb_where_nothing_is_bright_and_never_clips():
    assert tone_mapped(GREY * 0.2, 1.0) == pytest.approx(1.055 * 0.2 ** (1 / 2.4) - 0.055)
    bright = tone_mapped(np.linspace(0, 50, 1000, dtype=np.float32), 1.0)
    assert (np.diff(bright) > 0).all() and bright.max() < 1


def test_grazing_reflections_are_strong_on_smooth_surfaces_only():
    grazing, facing = np.zeros(1), np.ones(1)
    assert reflected(grazing, np.full(1, 0.05), np.full(1, 0.04)) > 0.8
    assert reflected(grazing, np.full(1, 0.5), np.full(1, 0.04)) < 0.2
    for roughness in (0.05, 0.5):
        found = reflected(facing, np.full(1, roughness), np.full(1, 0.04))
        assert found == pytest.approx(0.04, abs=0.02)


def test_the_key_light_models_faces_and_exposures_suit_them():
    from pipeline.worlds.heads.light import LUMINANCE, draw_light, irradiance_weights

    lights = [draw_light(seed) for seed in range(200)]
    received, contrast = [], []
    for light in lights:
        toward = light.lobes[0].direction
        both = np.stack([toward, toward * np.array([-1, 1, 1], np.float32)])
        bright, dark = irradiance_weights(light, both) @ LUMINANCE
        contrast.append(bright / dark)
        forward = irradiance_weights(light, np.array([[0, 0, 1.0]], np.float32)) @ LUMINANCE
        received.append(forward.item() * light.exposure)
    assert 1.4 < np.median(contrast) < 3 and np.percentile(contrast, 90) > 2.7
    assert 3.5 < np.mean(received) < 5 and np.std(received) < 0.25 * np.mean(received)
