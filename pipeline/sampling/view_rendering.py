"""How carefully a view is drawn: training may use fewer rays and ray samples than the teacher's own
pictures have.
"""

import copy
import dataclasses

from teachers.rendering.renderer import TriplaneRenderer


class ViewRendering:
    """Changes to a renderer for one kind of view; None keeps what the renderer has.

    Args:
        resolution: side of the picture (only for teachers without super-resolution).
        depth_samples, importance_samples, first_pass, max_points: see `RaySampling`.
    """

    def __init__(
        self,
        *,
        resolution: int | None = None,
        depth_samples: int | None = None,
        importance_samples: int | None = None,
        first_pass: str | None = None,
        max_points: int | None = None,
    ) -> None:
        self.resolution = resolution
        self.changes = {
            name: value
            for name, value in {
                "depth_samples": depth_samples,
                "importance_samples": importance_samples,
                "first_pass": first_pass,
                "max_points": max_points,
            }.items()
            if value is not None
        }

    def apply(self, renderer: TriplaneRenderer) -> TriplaneRenderer:
        """A renderer with the same networks (shared, not copied) and the changed settings.

        Raises:
            ValueError: another resolution is asked of a renderer with super-resolution.
        """
        changed = copy.copy(renderer)
        changed.sampling = dataclasses.replace(renderer.sampling, **self.changes)  # type: ignore[arg-type]
        if self.resolution is not None and self.resolution != renderer.resolution:
            if renderer.super_resolution is not None:
                raise ValueError(
                    f"this teacher's super-resolution takes {renderer.resolution}² renderings, not"
                    f" {self.resolution}²: leave the view's resolution alone"
                )
            changed.resolution = self.resolution
        return changed
