"""Your own model: a GIN of PyTorch Geometric, trained by a loop of its own, then attacked.

    python own_model.py

The graphs are the molecules MUTAG where the folder ROBUST_AUGCL_ARCHIVES holds TUDataset/MUTAG.zip.
Otherwise they are random, and their class is how many parts they fall into. Yours come from
anywhere: a list of `Data` is enough.
"""

import os
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from torch_geometric.loader import DataLoader
from torch_geometric.nn import GIN, global_add_pool

import robust_augcl as ra
from robust_augcl.data.components import ComponentGraphs
from robust_augcl.data.tu import TUGraphs


class Net(nn.Module):
    def __init__(self, features, classes):
        super().__init__()
        self.gnn = GIN(features, hidden_channels=16, num_layers=3)
        self.head = nn.Linear(16, classes)

    def forward(self, x, edge_index, batch):
        return self.head(global_add_pool(self.gnn(x, edge_index), batch))


def for_molecules():
    return Net(features=7, classes=2)


def for_parts():
    return Net(features=1, classes=3)


if __name__ == "__main__":
    torch.manual_seed(0)
    archives = os.environ.get("ROBUST_AUGCL_ARCHIVES")
    source = TUGraphs("MUTAG") if archives else ComponentGraphs((15, 20), graphs_per_class=60)
    packed = source.load(archives and Path(archives), torch.Generator().manual_seed(0))
    graphs = [packed[i] for i in torch.randperm(len(packed)).tolist()]
    train, test = graphs[12:], graphs[:12]  # few, for a quick look

    model = for_molecules() if archives else for_parts()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(30):
        for batch in DataLoader(train, batch_size=32, shuffle=True):
            logits = model(batch.x, batch.edge_index, batch.batch)
            optimizer.zero_grad()
            nn.functional.cross_entropy(logits, batch.y).backward()
            optimizer.step()
    save_file(model.state_dict(), "net.safetensors")  # these two for the command line
    ra.write_graphs("test.jsonl", test)

    threat = ra.ThreatModel(budget=2, within_component=True)  # two added edges at the most
    attacks = ("grad_argmax", "prbcd", "beam", "exhaustive")
    result = ra.evaluate(model, test, threat=threat, attacks=attacks, out="runs/mine")
    print(result)
    print(result.frame()[["attack", "graph", "label", "robust", "added"]].head())
    result.figure("own_model.pdf")
