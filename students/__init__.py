"""Students: one photograph in, the planes of a head out. Start with `two_stage.py`."""
