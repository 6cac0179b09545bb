"""The texts about the API, in English."""

from __future__ import annotations

TEXTS = {
    "command.api": (
        "Print the URL and the key with which apps made for OpenAI or Ollama use your souls.\n\n"
        "The plugin soul_openai serves them; 'soul plugins enable soul_openai' turns it on."
    ),
    "option.is_token": "Print the key and nothing else.",
    "api.base_url": "OpenAI base URL",
    "api.ollama_url": "Ollama URL",
    "api.key": "key",
    "api.no_key": "none is needed",
    "api.model": "models",
    "api.off": "the API is off",
    "api.off_hint": "'soul plugins enable soul_openai' turns it on.",
    "api.silent": "the API is on, but does not serve",
    "api.logs_hint": "'soul status' and 'soul logs' say more.",
}
