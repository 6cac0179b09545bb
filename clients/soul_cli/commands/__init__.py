"""The commands of ``soul``, one module each; imported when they are used."""
