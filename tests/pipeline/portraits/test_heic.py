"""HEIC of phones and AVIF are read as what they show."""

import numpy as np
import pytest
from PIL import Image, features

from pipeline.portraits import photograph
from pipeline.portraits.photograph import read_photograph

LEFT_RED = np.zeros((64, 64, 3), np.uint8)
LEFT_RED[:, :32, 0] = 200


def test_a_heic_is_read(tmp_path):
    heif = pytest.importorskip("pillow_heif", reason="the extra heic isn't installed")
    heif.register_heif_opener()
    Image.fromarray(LEFT_RED).save(tmp_path / "IMG_1.HEIC", format="HEIF", quality=95)
    read = np.asarray(read_photograph(tmp_path / "IMG_1.HEIC"), float)
    assert np.abs(read - LEFT_RED)[:, 8:24].mean() < 4


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow can't write AVIF")
def test_an_avif_is_read(tmp_path):
    Image.fromarray(LEFT_RED).save(tmp_path / "a.avif", quality=95)
    read = np.asarray(read_photograph(tmp_path / "a.avif"), float)
    assert np.abs(read - LEFT_RED)[:, 8:24].mean() < 4


def test_without_the_extra_a_heic_is_named(tmp_path, monkeypatch):
    Image.init()
    monkeypatch.setattr(photograph, "register_heif", lambda: None)
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    with pytest.raises(ValueError, match=r"a HEIC: pip install 'trilift\[heic\]'"):
        read_photograph(tmp_path / "a.heic")
