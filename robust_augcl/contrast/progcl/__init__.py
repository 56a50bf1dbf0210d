"""ProGCL: how likely a negative is a false one, from a mixture of similarities."""
