"""Weights of published networks out of other formats: readers that build numbers only, and the
packages that carry the files.
"""
