"""What hangs from where hair is tied: ponytails, buns and braids."""

from dataclasses import replace

import numpy as np

from .combing import TIED
from .factors import Hair, HairStyle
from .locks import Dye, Lock, Planted, strands_beside
from .skull import Skull
from .strands import Strands

Array = np.ndarray
LOCK = Lock(width=0.0040, gather=0.5, clump=0.2, ragged=0.25, stray=0.03, frizz=0.012, loose=0.2)


def tails(skull: Skull, hair: Hair, dye: Dye, detail: float) -> list[Strands]:
    """The strands of a tied style beyond its ties."""
    tie = np.array(TIED[hair.style], np.float32)
    out = tie / np.linalg.norm(tie)
    tie = out * (skull.radius(out[None])[0] + 0.1)
    random = np.random.default_rng(hair.seed + 29)
    lock = replace(LOCK, width=LOCK.width / detail)
    if hair.style == HairStyle.BUN:
        paths = _bun(tie, 0.24 + 0.14 * hair.volume, random)
        return [_beside(paths, 0.03, 2600, skull, hair, dye, lock, detail, 31)]
    if hair.style == HairStyle.PONYTAIL:
        paths = _hanging(tie, out, 1.4 + 1.4 * hair.length, random)
        lock = replace(lock, curl=0.015 + 0.05 * hair.wave**2, turns=0.9)
        return [_beside(paths, 0.045, 3000, skull, hair, dye, lock, detail, 31)]
    lock = replace(lock, gather=0.0, ragged=0.06, stray=0.012, frizz=0.006)
    return [
        _beside(_braid(tie * [side, 1, 1], 1.6 + hair.length), 0.036, 1500, skull, hair, dye,
                lock, detail, 31 + side)
        for side in (1, -1)
    ]  # fmt: skip


def _beside(
    paths: Array, spread: float, count: int, skull: Skull, hair: Hair, dye: Dye, lock: Lock,
    detail: float, salt: int,
) -> Strands:  # fmt: skip
    """`count` strands (at full detail) about the paths, in turn."""
    random = np.random.default_rng(hair.seed + salt)
    offset = np.clip(random.normal(0, 1, (count, 3)), -1.7, 1.7) * spread
    numbers = np.arange(int(count * detail))
    guides = numbers % len(paths)
    offset = offset[: len(numbers)]
    deep = 0.35 + 0.65 * np.clip(np.linalg.norm(offset, axis=1) / spread / 2, 0, 1)
    planted = Planted(
        paths[guides, 0] + offset, guides, numbers, np.ones(len(numbers)),
        np.ones(len(numbers)),
    )  # fmt: skip
    depth = np.bincount(guides, deep, len(paths)) / np.bincount(guides, minlength=len(paths))
    return strands_beside(paths, depth, planted, lock, dye, skull, hair.seed + salt)


def _bun(center: Array, size: float, random: np.random.Generator, count: int = 130) -> Array:
    """Great circles of a ball, coiled about its axis."""
    axis = random.normal(0, 1, (count, 3)) * [0.45, 0.45, 0.8] + [0, 0.4, 0.9]
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    side = np.cross(axis, random.normal(0, 1, (count, 3)))
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    angle = np.linspace(0, 2.6, 10)[None, :, None]
    circle = side[:, None] * np.cos(angle) + np.cross(axis, side)[:, None] * np.sin(angle)
    middle = center * (1 + 0.55 * size / np.linalg.norm(center))
    radius = size * random.uniform(0.8, 1.0, (count, 1, 1))
    return (middle + circle * radius).astype(np.float32)


def _hanging(
    start: Array, outward: Array, length: float, random: np.random.Generator, count: int = 90
) -> Array:
    """A tail that leaves the head and falls."""
    t = np.linspace(0, 1, 12)[None, :, None]
    bend = outward * (0.35 * np.minimum(1, t * 3)) + np.array([0, -1, 0]) * length * t**1.25
    spread = np.clip(random.normal(0, 1, (count, 1, 3)), -1.8, 1.8) * [0.10, 0.05, 0.10]
    wide = 0.45 + 1.1 * np.sin(np.pi * np.minimum(t * 0.75, 1)) - 0.3 * t
    return (start + bend + spread * wide).astype(np.float32)


def _braid(start: Array, length: float) -> Array:
    """Three locks that cross each other on the way down."""
    t = np.linspace(0, 1, 26)[None, :]
    lock = np.arange(3)[:, None] / 3
    phase = 2 * np.pi * (t * length * 1.3 + lock)
    x, z = 0.075 * np.sin(phase), 0.045 * np.sin(2 * phase)
    path = np.stack([x, np.broadcast_to(-length * t, x.shape), z - 0.05 * t], -1)
    return (start + np.array([0.03 * np.sign(start[0]), 0, 0.1]) + path).astype(np.float32)
