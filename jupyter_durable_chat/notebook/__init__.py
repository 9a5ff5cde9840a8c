"""What runs in the kernel: a reader and a commander of sessions, over HTTP and nothing else."""
