"""Where the positions of a map lie in the input, and how much of it they see."""
