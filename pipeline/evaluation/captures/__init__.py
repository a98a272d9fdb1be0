"""Calibrated captures: folder format, layouts of other datasets, camera estimation and alignment."""
