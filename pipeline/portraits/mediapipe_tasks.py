"""478 landmarks from MediaPipe Tasks, with a `.task` file that the user has fetched."""

from pathlib import Path
from typing import Any

import numpy as np

from .face import DetectedFace, Picture


class MediaPipeDetector:
    """MediaPipe's face landmarker (the extra `faces`).

    Args:
        model: the file `face_landmarker.task`, which MediaPipe's wheel doesn't contain.
        most_faces: maximum number of faces.
        confidence: threshold of the detector, in [0, 1].

    Raises:
        ValueError: no such file. A missing package raises at the first `detect`.
    """

    name = "mediapipe"

    def __init__(self, model: str, most_faces: int = 10, confidence: float = 0.5) -> None:
        if not Path(model).is_file():
            raise ValueError(
                f"no MediaPipe model at {model}: fetch face_landmarker.task from Google's MediaPipe"
                " models and name it"
            )
        self.model = model
        self.most_faces = most_faces
        self.confidence = confidence
        self._landmarker: Any = None

    def detect(self, picture: Picture) -> list[DetectedFace]:
        """Faces with 478 landmarks; ValueError if mediapipe isn't installed."""
        try:
            import mediapipe
        except ImportError as error:
            raise ValueError("mediapipe isn't installed: pip install 'trilift[faces]'") from error
        if self._landmarker is None:
            self._landmarker = self._made(mediapipe)
        pixels = np.ascontiguousarray(picture.image.convert("RGB"))
        found = self._landmarker.detect(
            mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=pixels)
        )
        size = np.array(picture.image.size)
        return [
            DetectedFace.around(np.array([[point.x, point.y] for point in face]) * size)
            for face in found.face_landmarks
        ]

    def _made(self, mediapipe: Any) -> Any:
        vision = mediapipe.tasks.vision
        options = vision.FaceLandmarkerOptions(
            base_options=mediapipe.tasks.BaseOptions(model_asset_path=self.model),
            num_faces=self.most_faces,
            min_face_detection_confidence=self.confidence,
        )
        return vision.FaceLandmarker.create_from_options(options)
