"""What edits do to logits: exactly, or bounded by a proof.

One edit:     `single_logits` (logits, checked), from `single_states` (the oracle for single edits)
              `prepared_logits` (the same of graphs that are asked about many times),
              `layered_states` (the same for modules of users that are made of known layers),
              `linear_layers` (of which the sum over the nodes needs no states)
Two edits:    `pair_logits`, from `pair_states` (the oracle for pairs), `states_alone`, `pair_reach`
Both oracles: `edits`, `neighbourhoods` (who is near whom), `trees` (what is computed only once)
Target nodes: `node_logits`, from `node_sets` (sets of edits of one graph that holds all targets),
              `node_questions` and `node_hearers` (what is near a target); `node_gradients`
Search:       `edit_sets` (sets of edits), `beam_search`, `pair_search`
Proofs:       `bounds` (a lower bound on margins), `certificates` (search and bound together),
              `pair_bounds` (the same of every pair, three rounds), from `pair_effects`
Gradients:    `edge_gradients`, `partial_edits`
"""
