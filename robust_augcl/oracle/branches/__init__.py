"""Branch and bound over sets of edits: which graphs no allowed set breaks, and sets that do."""
