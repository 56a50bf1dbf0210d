"""Published claims, one source or more a TOML file: data only."""
