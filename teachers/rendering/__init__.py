"""Cameras, triplanes and volume rendering, shared by every teacher and every student."""
