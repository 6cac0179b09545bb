"""Products with ternary matrices on a GPU. Triton itself is imported by ``load_triton`` alone."""

from sould.engine.triton_kernel.load import load_triton

__all__ = ["load_triton"]
