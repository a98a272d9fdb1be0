"""A pose estimator from a landmark detector: the camera that projects the mean face onto the
points found in an image.
"""

from jaxtyping import Float
from PIL import Image
from torch import Tensor

from pipeline.pictures import to_uint8
from pipeline.portraits.face import LandmarkDetector, largest_face
from pipeline.portraits.pose import fit_pose
from teachers.rendering.camera import Camera


class LandmarkPose:
    """Estimates the camera of a crop (`pose_estimator` of `trilift evaluate`).

    Args:
        detector: finds faces with landmarks, such as
            `pipeline.portraits.facemesh.detector.FaceMeshDetector`.
    """

    def __init__(self, *, detector: LandmarkDetector) -> None:
        self.detector = detector

    def __call__(self, image: Float[Tensor, "3 side side"]) -> Camera | None:
        """The camera of the largest face in an image in [-1, 1]; None without a face, or if no
        camera fits its landmarks.
        """
        largest = largest_face(self.detector, Image.fromarray(to_uint8(image)))
        if largest is None:
            return None
        try:
            return fit_pose(largest.pose_points() / image.shape[-1]).camera
        except ValueError:
            return None
