"""Sample number → everything that is drawn for it, the same whatever the batch, the ranks or the
restarts.
"""
