"""The report: plain data, and one file for each way to show it."""
