"""The changes that let a network close, and the edits that write them."""
