"""``sould doctor``: what is wrong with this installation, said before it hurts."""
