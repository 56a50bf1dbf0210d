"""Transfer: edits that were found on one victim, applied to another one of the same data."""
