"""A run's folder, and what every long job shares: state, resume, provenance, processes."""
