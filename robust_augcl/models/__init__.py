"""Differentiable classifiers: the encoder contract, the classifier, training, representations,
margins.
"""
