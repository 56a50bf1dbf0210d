"""The gate: whether results are worse than a baseline, and what stops a change from passing."""
