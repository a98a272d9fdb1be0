"""GAN inversion: the baselines of the student, behind the same contract (`method.Method`).

`w.py`, `w_plus.py`, `pti.py` and `hybrid.py` are one method each; `student.py` is the student as a
method. Shared parts: the loss at the input view (`input_loss.py`, `perceptual.py`), the camera
(`moving_camera.py`), gradient descent (`descent.py`), the search for a latent (`latent_search.py`)
and the resulting identity (`portrait.py`).
"""
