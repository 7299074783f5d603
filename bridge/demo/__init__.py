"""What ``pgbridge demo`` shows: a shop with something going on in it, and a view of its changes."""
