"""Robustness of contrastively pretrained graph encoders, measured."""

__version__ = "0.1.0"
