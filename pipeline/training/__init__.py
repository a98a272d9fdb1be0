"""How students and teachers are trained: Lightning modules, callbacks, and state that survives a kill."""
