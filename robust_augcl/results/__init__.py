"""Finished results, without torch: records, measurements, statistics, brackets, findings."""
