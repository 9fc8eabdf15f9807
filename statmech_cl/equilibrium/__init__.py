"""The mean-field equations of equilibrium: saddle points, their continuation, chains of tasks."""
