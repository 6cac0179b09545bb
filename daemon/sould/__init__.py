"""The Bit-TTT daemon: a supervisor that owns what is durable, an engine that owns the model."""
