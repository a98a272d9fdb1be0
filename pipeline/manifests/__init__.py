"""C2PA manifests: who made a picture, a film or a mesh, from what and by which networks."""
