"""Joins teachers and students: samples, trains, measures and serves. Verbs are the files at the top
of this folder.
"""
