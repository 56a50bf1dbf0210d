"""Differentiable classifiers: encoders, the classifier, its training, representations, margins."""
