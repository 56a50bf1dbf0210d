"""`python -m robust_augcl` is `robust-augcl`."""

from robust_augcl.cli import main

if __name__ == "__main__":
    main()
