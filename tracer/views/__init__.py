"""Floor 14: what a result looks like: pure functions from results to text, one file per format."""
