"""A run's folder on disk, and what every long job shares: state, resume, files, provenance, processes."""
