"""What an administrator does to a store beside the servers that use it: proves it, saves it, brings it back."""
