"""Measure what the weights alone remember.

Only ``asking``, ``reading`` and ``settling`` need a daemon.
"""

from soul_client.exam.asking import ask_all, with_facts
from soul_client.exam.files import (
    NeverTold,
    Night,
    Persona,
    Probe,
    Prose,
    Quiz,
    QuizItem,
    Style,
    Update,
    load,
)
from soul_client.exam.plan import Line, Question, lines_of, questions_of, quiz_questions, statements
from soul_client.exam.reading import Reading, change_percent, perplexity, read_all
from soul_client.exam.scoring import (
    Answer,
    Score,
    Verdict,
    holds,
    judge,
    kept,
    leak_in,
    mark,
    score,
)
from soul_client.exam.settling import check_unchanged, settle, settled

__all__ = [
    "Answer",
    "Line",
    "NeverTold",
    "Night",
    "Persona",
    "Probe",
    "Prose",
    "Question",
    "Quiz",
    "QuizItem",
    "Reading",
    "Score",
    "Style",
    "Update",
    "Verdict",
    "ask_all",
    "change_percent",
    "check_unchanged",
    "holds",
    "judge",
    "kept",
    "leak_in",
    "lines_of",
    "load",
    "mark",
    "perplexity",
    "questions_of",
    "quiz_questions",
    "read_all",
    "score",
    "settle",
    "settled",
    "statements",
    "with_facts",
]
