"""The picture of a network: its boxes and arrows, and where they stand. No format, no colours."""
