from robust_augcl.encoder import *
