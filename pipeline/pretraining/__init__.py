"""The teacher's training."""
