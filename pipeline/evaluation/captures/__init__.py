"""Calibrated captures: folder format, layouts of datasets, camera estimation, alignment."""
