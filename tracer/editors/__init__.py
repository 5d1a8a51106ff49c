"""The language server: what an editor asks of a config, and the answers, over the text as it is being typed."""
