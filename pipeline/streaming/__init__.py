"""A triplane call: lifted planes through an ordinary video codec, rendered where they arrive."""
