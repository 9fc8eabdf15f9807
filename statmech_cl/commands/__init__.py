"""One module for each command of statmech-cl; each defines `command`. Heavy imports stay inside the functions."""
