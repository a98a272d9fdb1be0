"""W+: a latent for each layer of the teacher. Fits better than W, and leaves the identities that
the teacher knows.
"""

from .latent_search import Space
from .w import W


class WPlus(W):
    """Optimisation in W+ (see `Method`); otherwise as in W, from the same mean with the same steps."""

    name, title = "w_plus", "W+"
    space: Space = "w_plus"
