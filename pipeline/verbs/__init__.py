"""One file a verb; nothing else."""
