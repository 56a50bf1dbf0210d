"""`python -m robust_augcl` is `robust-augcl`."""

from robust_augcl.cli.main import main

if __name__ == "__main__":
    main()
