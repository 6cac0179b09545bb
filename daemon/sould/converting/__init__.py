"""A body made anew, its matrices sums of ternary ones: ``sould convert-body``."""
