"""Plug-ins for robust_augcl, as an example."""
