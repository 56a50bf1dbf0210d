from robust_augcl.encoder import *
from robust_augcl.encoder import Encoder, WeightedSum, glorot, linear, mlp, sum_pool, torch_default
