"""What a teacher draws behind its identities."""

from teachers.passport import Passport


def background_of(passport: Passport) -> float:
    """Grey level in [0, 1] behind the teacher's heads: what transparent pixels of a photograph
    become.
    """
    return 0.0 if passport.background == "black" else 1.0
