"""llama.cpp in a process of its own: a JSON list of token ids a line in, seconds a line out.

    python llama_child.py BODY THREADS CONTEXT

Line ``[]`` empties the context. Needs llama-cpp-python and nothing of this project. Timed is the
evaluation alone. First line out: the version.
"""

from __future__ import annotations

import json
import sys
import time


def main(body: str, threads: int, context: int) -> None:
    import llama_cpp

    model = llama_cpp.Llama(
        body,
        n_ctx=context,
        n_batch=512,
        n_threads=threads,
        n_threads_batch=threads,
        verbose=False,
    )
    print(json.dumps(llama_cpp.__version__), flush=True)
    for line in sys.stdin:
        tokens = json.loads(line)
        if not tokens:
            model.reset()
        started_s = time.perf_counter()
        if tokens:
            model.eval(tokens)
        print(json.dumps(time.perf_counter() - started_s), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
