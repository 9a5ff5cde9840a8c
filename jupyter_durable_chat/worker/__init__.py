"""A process that runs turns and takes no commands. It finds what to do in the store, and what it does is there."""
