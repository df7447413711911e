"""What belongs to GitHub: the runner's inputs, outputs, summary and log."""
