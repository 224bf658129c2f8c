"""Networks as Keras models, with fresh weights, and nothing else."""
