"""Your own graphs: written to a file, and attacked by a suite that names the file.

    python own_data.py

Here a graph is a team. An edge joins two people who meet. Its class is whether more of them are
seniors or juniors. No edit of edges changes that: whatever breaks is the model's own fault.
"""

import random
from pathlib import Path

import torch
from torch_geometric.data import Data

import robust_augcl as ra

SUITE = """
name = "teams"
arithmetic = "fast"          # this script imports PyTorch before it could choose "portable"
[dataset]
source = "file"
path = "teams.jsonl"         # beside the suite's file
[encoder]
name = "gin"
width = 16
layers = [2]
[pretraining]
warm_up_epochs = 3
continued_epochs = 3
[training]
epochs = 40
[threat]
budget = 1
operations = ["add", "delete"]
[certificates]               # which teams no single edit can break
[[methods]]
name = "graphcl"
[[attacks]]
name = "grad_argmax"
[[attacks]]
name = "exhaustive"
"""


def team(draws):
    """9 people; each has met some of those before."""
    seniors = torch.tensor([draws.randrange(2) for _ in range(9)])
    meetings = [(later, draws.randrange(later)) for later in range(1, 9) for _ in range(2)]
    one_way = torch.tensor(meetings).T
    both_ways = torch.cat([one_way, one_way.flip(0)], dim=1)
    features = torch.stack([seniors, 1 - seniors], dim=1)
    return Data(x=features, edge_index=both_ways, y=int(seniors.sum() > 4))


if __name__ == "__main__":
    draws = random.Random(0)
    for note in ra.write_graphs("teams.jsonl", [team(draws) for _ in range(200)]):
        print(note)
    Path("teams.toml").write_text(SUITE)
    ra.Campaign(ra.load_suite("teams.toml")).run()
    print(ra.open_run("runs/teams"))
