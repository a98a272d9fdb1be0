"""Benchmarks: inputs, target cameras and references."""
