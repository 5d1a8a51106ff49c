"""What a result looks like: pure functions from results to text, one file per format."""
