"""The student's training."""
