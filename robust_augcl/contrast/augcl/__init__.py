"""AUGCL: partitions of an anchor's negatives, and how unsure a model of them is."""
