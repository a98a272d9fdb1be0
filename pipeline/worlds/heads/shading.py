"""How surfaces reflect: diffuse light that bleeds under skin, GGX highlights, mirrored rooms."""

from typing import no_type_check

import numpy as np
from numba import njit

from .factors import Light
from .light import LUMINANCE, Illumination
from .material import Material

Array = np.ndarray
BLEEDING = np.array([0.36, 0.12, 0.07], np.float32)
"""How far past the terminator red, green and blue light reach under skin, as a cosine."""

_kernel = njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "nsz", "arcp"})


def shade(
    material: Material,
    normal: Array,
    view: Array,
    environment: Array,
    lit: Array,
    light: Light,
    illumination: Illumination,
) -> Array:
    """Linear colour `[sample 3]` that leaves surfaces towards the camera.

    Args:
        material: of the samples.
        normal: of the smooth surface; the material's own may be finer.
        view: unit directions to the camera.
        environment: `[sample 6]`: irradiance and mean direction, of `environment_at`.
        lit: of `key_at`.
        light: the light.
        illumination: its directions.
    """
    out = np.empty((len(normal), 3), np.float32)
    others = light.lobes[1:]
    _shade(
        material.albedo, material.normal, material.roughness, material.specular,
        material.subsurface, normal, view, environment, lit, light.lobes[0].direction,
        illumination.power[illumination.key].sum(0), light.sky.astype(np.float32),
        light.ground.astype(np.float32), _rows([each.direction for each in others]),
        _rows([each.color for each in others]),
        np.array([each.sharpness for each in others], np.float32), BLEEDING, LUMINANCE, out,
    )  # fmt: skip
    return out


def _rows(vectors: list[Array]) -> Array:
    """`[vector 3]`, also of none."""
    return np.reshape(vectors, (-1, 3)).astype(np.float32)


@_kernel
@no_type_check
def reflected(nv, roughness, specular):
    """Share of an even environment that a rough surface reflects: Karis's fit of the split sum
    (Physically Based Shading on Mobile, 2014). Schlick's formula alone gives rough skin a
    bright rim.

    Args:
        nv: cosine to the camera.
        roughness: of `Material`.
        specular: of `Material`.
    """
    facing = 1 - roughness
    grazing = (
        np.minimum(facing * facing, np.exp2(-9.28 * nv)) * facing + 0.0425 - 0.0275 * roughness
    )
    scale = 1.04 - 0.572 * roughness - 1.04 * grazing
    return specular * scale + 1.04 * grazing + 0.022 * roughness - 0.04


@_kernel
@no_type_check
def _ggx(nh, nl, nv, roughness, fresnel):
    """Walter et al. 2007's distribution with a Smith-like visibility."""
    rough = max(roughness, np.float32(0.05))
    a2 = rough**4
    around = (nh * nh) * (a2 - 1) + 1
    k = rough * rough / 2
    visible = 1 / (4 * (nl * (1 - k) + k) * (nv * (1 - k) + k))
    return a2 / (np.pi * around * around) * visible * fresnel


@_kernel
@no_type_check
def _dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@_kernel
@no_type_check
def _shade(
    albedo, fine, roughness, specular, subsurface, normal, view, environment, lit, key, power,
    sky, ground, toward, colors, sharpness, bleeding, luminance, out,
):  # fmt: skip
    open_sky = np.pi * _dot(sky, luminance) + np.float32(1e-6)
    half, mirror = np.empty(3, np.float32), np.empty(3, np.float32)
    for i in range(normal.shape[0]):
        n, v = fine[i], view[i]
        bent = np.float32(0)
        for c in range(3):
            bent += (n[c] - normal[i, c]) * environment[i, 3 + c]
        gain = min(max(1 + np.float32(1.2) * bent, np.float32(0.2)), np.float32(2))
        cosine = _dot(n, key)
        facing = max(cosine, np.float32(0))
        nv = _dot(n, v)
        for c in range(3):
            half[c] = key[c] + v[c]
            mirror[c] = 2 * nv * n[c] - v[c]
        length = np.sqrt(_dot(half, half)) + np.float32(1e-6)
        nh = min(max(_dot(n, half) / length, np.float32(0)), np.float32(1))
        hv = min(max(_dot(half, v) / length, np.float32(0)), np.float32(1))
        fresnel = specular[i] + (1 - specular[i]) * (1 - hv) ** 5
        gloss = np.float32(0)
        if facing > 0 and lit[i] > 0:
            gloss = _ggx(nh, facing, max(nv, np.float32(0.05)), roughness[i], fresnel)
            gloss *= facing * lit[i]
        edge = reflected(min(max(nv, np.float32(0)), np.float32(1)), roughness[i], specular[i])
        opened = min(
            max(_dot(environment[i], luminance) / open_sky, np.float32(0.1)), np.float32(1)
        )
        edge *= opened * np.float32(0.7) * (1 - np.float32(0.7) * roughness[i])
        upper = np.float32(0.5) + np.float32(0.5) * mirror[1]
        for c in range(3):
            under = subsurface[i] * bleeding[c]
            wrapped = max((cosine + under) / (1 + under), np.float32(0))
            direct = power[c] * wrapped * lit[i] ** (1 - np.float32(0.9) * under)
            color = albedo[i, c] * (environment[i, c] * gain + direct) / np.float32(np.pi)
            out[i, c] = color + gloss * power[c] + edge * (ground[c] + (sky[c] - ground[c]) * upper)
        for k in range(toward.shape[0]):
            seen = edge * np.exp(sharpness[k] * (_dot(mirror, toward[k]) - 1))
            for c in range(3):
                out[i, c] += seen * colors[k, c]
