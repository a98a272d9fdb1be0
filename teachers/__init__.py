"""Frozen 3D GAN teachers: what invents the people, and everything 3D that it defines."""
