"""What may be edited: threat models, perturbations, candidates."""
