"""Evaluation: methods on benchmarks, predictions against references."""
