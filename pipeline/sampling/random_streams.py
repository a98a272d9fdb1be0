"""Counter-based randomness: what is drawn for sample n depends on (seed, n, purpose) and on nothing
else.

On the host, NumPy's Philox generator (Salmon et al. 2011) draws latents and cameras. On the device,
a stateless hash places the samples of every ray: the same bits on CPU and GPU, since it only
multiplies and shifts integers.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

_MASK = 0xFFFFFFFF
_GOLDEN = 0x9E3779B9  # 2^32 / golden ratio: steps through the words of a key


def stream(seed: int, sample: int, purpose: str) -> np.random.Generator:
    """The generator of sample number `sample` for one purpose ("latent", "camera/0", …).

    Args:
        seed: of the run, in [0, 2^63).
        sample: in [0, 2^63).
        purpose: any name; different names give unrelated streams.
    """
    if not (0 <= seed < 1 << 63 and 0 <= sample < 1 << 63):
        raise ValueError(f"seed {seed} and sample {sample} must lie in [0, 2^63)")
    digest = hashlib.blake2b(f"{seed}:{purpose}".encode(), digest_size=16).digest()
    # The key tells run and purpose apart; the sample fills a counter word that drawing never
    # reaches.
    return np.random.Generator(
        np.random.Philox(key=int.from_bytes(digest, "little"), counter=[0, 0, 0, sample])
    )


def normals(
    seed: int, samples: Sequence[int], purpose: str, size: int
) -> Float[Tensor, "batch value"]:
    """`size` standard normal numbers for each sample number."""
    return torch.from_numpy(
        np.stack([stream(seed, n, purpose).standard_normal(size, np.float32) for n in samples])
    )


def hashed_uniforms(
    seed: int,
    samples: Int64[Tensor, " batch"],
    *,
    view: int,
    rays: int,
    values: int,
    first_value: int = 0,
) -> Float[Tensor, "batch ray value"]:
    """Uniform numbers in [0, 1), a pure function of (seed, sample, view, ray, value), on the device
    of `samples`.

    Each number is a multiple of 2^-24, so it is exact in float32 and never 1.

    Args:
        seed: of the run, in [0, 2^63).
        samples: sample numbers.
        view: which picture of the sample.
        rays: how many rays a picture has.
        values: numbers for each ray.
        first_value: the number of the first of them: passes that use different ranges don't share
            numbers.
    """
    ray = torch.arange(rays, device=samples.device)[None, :, None]
    value = torch.arange(first_value, first_value + values, device=samples.device)[None, None, :]
    key = torch.full_like(samples, seed & _MASK)
    for word in (seed >> 32, view, samples, samples >> 32):
        key = _absorb(_to_int32(key), word)
    words = _absorb(_absorb(key[:, None, None], ray), value)
    return words.bitwise_right_shift_(8).bitwise_and_(0xFFFFFF).to(torch.float32).mul_(2.0**-24)


def _absorb(state: Tensor, word: Tensor | int) -> Tensor:
    """The next state of a 32-bit hash after taking in (the low 32 bits of) a word."""
    step = word * _GOLDEN + 1
    return _mix_(state + (_to_int32(step) if isinstance(step, Tensor) else _signed(step)))


def _mix_(state: Tensor) -> Tensor:
    """A bijection of 32-bit words with near-perfect avalanche, in place (multiply-xorshift;
    constants of C. Wellons' lowbias32).

    Integers are kept as int32, whose products wrap; shifts are arithmetic there, so their copies of
    the sign are masked.
    """
    state ^= (state >> 16).bitwise_and_(0xFFFF)
    state *= _signed(0x7FEB352D)
    state ^= (state >> 15).bitwise_and_(0x1FFFF)
    state *= _signed(0x846CA68B)
    state ^= (state >> 16).bitwise_and_(0xFFFF)
    return state


def _signed(word: int) -> int:
    """The low 32 bits of an integer as a signed one."""
    return ((word & _MASK) ^ 0x80000000) - 0x80000000


def _to_int32(words: Tensor) -> Tensor:
    """The low 32 bits of int64 words as int32."""
    return (((words & _MASK) ^ 0x80000000) - 0x80000000).to(torch.int32)
