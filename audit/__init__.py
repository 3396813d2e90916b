"""Evidence: the log, its proofs, its verifier. Standard library and `cryptography` only."""
