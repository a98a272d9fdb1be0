"""Which device a setting means."""

import torch


def device_named(name: str) -> torch.device:
    """What "auto" means is a GPU where there is one; anything else is torch's name of a device.

    Raises:
        ValueError: torch knows no such device, or it isn't here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.zeros(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"device {name!r} can't be used ({str(error).splitlines()[0]}): use auto, cpu or cuda"
        ) from error
