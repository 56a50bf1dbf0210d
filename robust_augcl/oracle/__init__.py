"""What edits do to logits, exactly: single edits, pairs, sets, gradients; bounds and
certificates.
"""
