"""W+: a latent for each layer of the teacher. It reconstructs the photograph better than W, outside
the teacher's distribution.
"""

from .latent_search import Space
from .w import W


class WPlus(W):
    """Inversion in W+ (see `Method`), otherwise as in W: same initial mean, same steps."""

    name, title = "w_plus", "W+"
    space: Space = "w_plus"
