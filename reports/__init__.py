"""Renderers of results: tables, figures, pages."""
