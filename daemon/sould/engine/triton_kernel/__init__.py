"""Products with ternary matrices on a GPU. Triton itself is imported by ``load_triton`` alone."""
