"""The API that existing apps speak: OpenAI's and Ollama's routes over HTTP, for any soul."""

from soul_openai.plugin import Settings, register_frontends

__all__ = ["Settings", "register_frontends"]
