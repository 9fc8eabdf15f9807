"""What uses the theories to decide: similarity maps of two tasks, the best anchors of a chain."""
