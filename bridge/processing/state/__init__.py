"""What stream processing keeps between two runs, and where: plain data in, plain data out."""
