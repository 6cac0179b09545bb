"""For who writes plugins: a daemon, a client and a tiny body as pytest fixtures.

pytest finds them by itself where Bit-TTT is installed; nothing is imported before one is used.
"""
