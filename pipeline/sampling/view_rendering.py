"""Changes to the teacher's renderer for one view: training may use fewer rays and ray samples."""

from teachers.passport import Passport
from teachers.rendering.marching import RayMarcher
from teachers.rendering.renderer import Renderer


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
        first_pass: str | RayMarcher | None = None,
        max_points: int | None = None,
    ) -> None:
        self.changes = {
            name: value
            for name, value in {
                "resolution": resolution,
                "depth_samples": depth_samples,
                "importance_samples": importance_samples,
                "first_pass": first_pass,
                "max_points": max_points,
            }.items()
            if value is not None
        }

    def require_teacher(self, passport: Passport) -> None:
        """ValueError if the marcher was trained for another teacher (`LearnedMarcher`), or the
        teacher's super-resolution takes another resolution.
        """
        resolution = self.changes.get("resolution", passport.render_resolution)
        if passport.super_resolution != "none" and resolution != passport.render_resolution:
            raise ValueError(
                f"a view is to be rendered at {resolution}², but the super-resolution of"
                f" {passport.name!r} takes {passport.render_resolution}²: leave the resolution of"
                " sampler.reference_rendering and novel_rendering null (sampler=fast… are for"
                " teachers without super-resolution; plain, truncated, diverse are for all)"
            )
        require = getattr(self.changes.get("first_pass"), "require_teacher", None)
        if require is not None:
            require(passport)

    def unread(self, renderer: Renderer) -> set[str]:
        """The names of changes that this renderer doesn't read."""
        return self.changes.keys() & set(getattr(renderer, "unread_sampling", ()))

    def apply(self, renderer: Renderer) -> Renderer:
        """A renderer with the same networks (shared, not copied) and the changed settings.

        Raises:
            ValueError: another resolution for a renderer with super-resolution, or any change for
                one without a method `changed` (see `TriplaneRenderer.changed`).
        """
        if not self.changes:
            return renderer
        change = getattr(renderer, "changed", None)
        if change is None:
            raise ValueError(
                f"{type(renderer).__name__} has no method `changed`, so a view can't be rendered"
                f" with {', '.join(self.changes)}: leave reference_rendering and novel_rendering"
                " empty"
            )
        changed: Renderer = change(**self.changes)
        return changed
