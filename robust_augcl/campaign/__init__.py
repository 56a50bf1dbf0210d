"""A suite, its folder, its run and its report, held by a notebook or the command line."""
