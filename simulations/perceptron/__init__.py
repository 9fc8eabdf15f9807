"""Perceptrons of binary weights: gradient descent in field space, and the Gibbs measure by Hamiltonian Monte Carlo."""
