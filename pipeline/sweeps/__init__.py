"""Many runs of one verb: cells that run once, search, tables and the Pareto picture."""
