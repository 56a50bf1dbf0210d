"""AUGCL: how unsure a model is of the cluster of each negative."""
