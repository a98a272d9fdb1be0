"""Optimisation as an answer to a photograph: the baselines that a student's speed is measured
against.

`w.py`, `w_plus.py`, `pti.py` and `hybrid.py` are one method each, `student.py` is the student in
the same form (`method.py`). What they share: a distance at the input view (`input_loss.py`,
`perceptual.py`), a camera that may move (`moving_camera.py`), descent (`descent.py`), the search
for a latent (`latent_search.py`), and the identity that comes out (`portrait.py`).
"""
