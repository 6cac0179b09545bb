"""Measure what the weights alone remember. Only ``asking`` needs a daemon."""

from soul_client.exam.asking import ask_all, with_facts
from soul_client.exam.files import NeverTold, Night, Persona, Probe, Quiz, QuizItem, Update, load
from soul_client.exam.plan import Line, Question, lines_of, questions_of, quiz_questions, statements
from soul_client.exam.scoring import (
    Answer,
    Score,
    Verdict,
    holds,
    judge,
    leak_in,
    mark,
    score,
)

__all__ = [
    "Answer",
    "Line",
    "NeverTold",
    "Night",
    "Persona",
    "Probe",
    "Question",
    "Quiz",
    "QuizItem",
    "Score",
    "Update",
    "Verdict",
    "ask_all",
    "holds",
    "judge",
    "leak_in",
    "lines_of",
    "load",
    "mark",
    "questions_of",
    "quiz_questions",
    "score",
    "statements",
    "with_facts",
]
