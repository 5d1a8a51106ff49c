"""Pure functions from results to text, one file per format."""
