"""Frozen 3D GAN teachers: what invents the identities, and everything 3D that it defines."""
