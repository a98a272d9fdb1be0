"""Published image collections, recognised by the names that snapshots give their training sets."""

import re
from typing import Any

FFHQ = (
    {
        "name": "FFHQ: images from Flickr",
        "licence": "each image under its own: CC BY 2.0, CC BY-NC 2.0, Public Domain Mark 1.0,"
        " CC0 1.0 or U.S. Government Works; non-commercial as a whole",
    },
    {
        "name": "FFHQ: the dataset itself (metadata, crops' selection)",
        "licence": "CC-BY-NC-SA-4.0",
    },
)
"""https://github.com/NVlabs/ffhq-dataset, README, read 2026-11-29."""

AFHQ = ({"name": "AFHQ: animal faces", "licence": "CC-BY-NC-4.0"},)
"""By NAVER: appendix B of Karras et al., "Alias-Free Generative Adversarial Networks" (2021)."""

KNOWN = {"ffhq": FFHQ, "afhq": AFHQ, "cats": AFHQ}


def training_data_of(settings: dict[str, Any]) -> tuple[dict[str, str], ...]:
    """The entries of a passport's `training_data` by a snapshot's `training_set_kwargs`.

    Only the last part of the path is kept: the rest says where somebody's files lay.
    """
    name = re.split(r"[\\/]", str(settings.get("path") or "").rstrip("\\/"))[-1]
    if not name:
        return ()
    for part, entries in KNOWN.items():
        if part in name.lower():
            return entries
    return ({"name": f"training set {name}", "licence": "unknown"},)
