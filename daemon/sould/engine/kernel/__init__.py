"""The compiled CPU kernel: exact f32 arithmetic on packed weights, one C call per token."""

from sould.engine.kernel.build import KernelUnavailable
from sould.engine.kernel.native import NativeKernel, Stepper, load_kernel

__all__ = ["KernelUnavailable", "NativeKernel", "Stepper", "load_kernel"]
