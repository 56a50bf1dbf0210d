"""Files: artifacts, the run folder, housekeeping. A file is whole or absent."""
