"""Photographs in, heads out: lift once, then render, film and save."""
