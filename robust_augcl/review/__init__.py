"""Judging finished results: replay, audit, transfers."""
