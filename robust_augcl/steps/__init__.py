"""How each kind of step is computed, and what its artifact holds."""
