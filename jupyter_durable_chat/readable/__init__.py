"""A transcript as something to read, without a server: in a cell's output, and in a file.

Imports events and transcript and nothing else of this package, so that kernels and the server both may use it.
"""
