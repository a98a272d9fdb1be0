"""Records on disk: image collections with camera labels."""
