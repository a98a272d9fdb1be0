"""Many runs of one verb: cells, how each is run once, what came of them as a table and a picture."""
