"""Trees of binary weights in field space: loss, descent and sampler."""
