"""MediaPipe's face detectors, face mesh and segmentation of people in plain torch."""
