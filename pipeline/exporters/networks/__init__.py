"""A student's networks as files of other runtimes, each compared with torch."""
