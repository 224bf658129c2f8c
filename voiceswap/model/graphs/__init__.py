"""The networks as graphs for onnxruntime, without their weights; `networks` defines the same ones for training."""
