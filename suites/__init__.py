"""Suites, one a TOML file: data only."""
