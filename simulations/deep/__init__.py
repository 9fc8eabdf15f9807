"""Deep networks of binary weights on images, task after task, beside their rivals."""
