"""Access and judging: the victim and its views, the bases of attacks, the guard."""
