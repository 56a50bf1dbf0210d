"""Graphs without models: packed graphs, unfolding trees, keys of graphs, data sets and splits."""
