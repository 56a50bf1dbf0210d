"""Contrastive learning: augmentations, losses, hardness weighting, pretraining."""
