"""Captures made by others: their layouts, cameras and alignment."""
