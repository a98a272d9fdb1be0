"""Students: encoders from one photograph to the planes of a head. Start with `two_stage.py`."""
