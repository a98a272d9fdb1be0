"""Exporters: a lifted identity as files of other programs, one module a format."""
