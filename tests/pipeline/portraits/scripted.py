"""Detectors that know where the faces of each frame are."""

import numpy as np

from pipeline.portraits.face import DetectedFace, Picture

FACE = np.array([[-0.18, -0.16], [0.18, -0.16], [0.0, 0.05], [-0.14, 0.22], [0.14, 0.22]])


def face_at(x: float, y: float, side: float = 40.0) -> DetectedFace:
    return DetectedFace.around(FACE * side + (x, y))


class Scripted:
    """A detector that knows where the faces of each frame are; `noise` is of each landmark, px."""

    name = "scripted"

    def __init__(self, frames: list[list[tuple[float, float]]], noise: float = 0.0) -> None:
        self.frames = frames
        self.noise = noise
        self.searches: list[int] = []

    def detect(self, picture: Picture) -> list[DetectedFace]:
        assert picture.frame is not None
        self.searches.append(picture.frame)
        random = np.random.default_rng(picture.frame)
        return [
            DetectedFace.around(face_at(*place).landmarks + random.normal(0, self.noise, (5, 2)))
            for place in self.frames[picture.frame]
        ]


class Following(Scripted):
    """The same with a cheap way to find a face again."""

    def follow(self, picture, faces):
        there = [face_at(*place) for place in self.frames[picture.frame]]
        near = [
            [one for one in there if abs(one.centre[0] - face.centre[0]) < 15] for face in faces
        ]
        return [found[0] if found else None for found in near]
