"""Suites of this package: TOML files."""
