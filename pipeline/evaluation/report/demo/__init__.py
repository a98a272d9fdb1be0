"""The page of `trilift demo`."""
