"""Lines in the plane of two parameters: folds, stability, equal free entropies, levels; and diagrams made of them."""
