"""Networks in the files of neighbouring tools, a file per kind. What kind a file is, its keys tell."""
