"""Speed and memory of the operators of stream processing, with another engine beside them."""
