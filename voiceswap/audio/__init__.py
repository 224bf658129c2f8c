"""Files and devices to blocks of samples, and back."""
