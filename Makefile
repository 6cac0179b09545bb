# `make chat` and `make test` do all their own set-up; the second time they are quick.
#
#   make chat     talk to the body of config.yaml (starts the daemon if it does not run)
#   make test     run the tests            make test PYTEST_ARGS='-k diary -x -n 0'
#   make browser  the Model Lab's page in a real Chromium (skipped where there is none)
#   make screenshots  a picture of each of its pages, in screenshots/, to be looked at
#   make lint     style, types, import rules
#   make bench    the measured table of README.md
#   make native-body  train a small native body and one with attention, and compare them: hours;
#                 stopped, it goes on; make native-body PRESET=nano STEPS=1000
#   make exam     what the soul remembers:   make exam PERSONA=FILE.json NIGHT=2 EXAM_ARGS=--json
#                 (without PERSONA and NIGHT: a tiny persona of the tests, its first night)
#   make exam-day what a first day leaves in a soul, each persona's in a fresh home:
#                 make exam-day PERSONAS="A.json B.json" IDLE=30 GENERAL=quiz.json TEXT=plain.txt
#   make exam-nights  the same over several nights, asked after each; EXAM_ARGS: --no-controls, --reborn-on BODY, --forget:
#                 make exam-nights PERSONAS="A.json B.json" NIGHTS=3 IDLE=2 GENERAL=… TEXT=…
#   make campaign-souls   5,000 spoilt soul files: each is refused, none does harm
#   make campaign-kills   kill -9 while somebody chats and saves: nothing is lost (KILLS=200 SEED=)
#   make campaign-frames  100,000 spoilt frames: each is answered, the daemon lives (FRAMES= SEED=)
#   make body     fetch the body of config.yaml if it is not there
#   make clean    remove what make made; bodies, diary and souls stay
#
# Any Python from 3.11 on will do: make chat PYTHON=/path/to/python3

PYTHON ?= python3 python3.14 python3.13 python3.12 python3.11
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := PIP_USER=0 $(BIN)/python -m pip install --no-input --disable-pip-version-check

# The mark of the virtual environment holds the path it was made for: one that was moved or
# copied, or whose Python is gone, is made anew.
ifneq ("$(shell test -x $(BIN)/python && cat $(VENV)/.made 2>/dev/null)","$(CURDIR)")
ANEW := anew
endif

# What hundreds of processes import is compiled once, also where the environment says otherwise.
export PYTHONDONTWRITEBYTECODE :=

# Set-up must not read what is piped into the chat; only on a terminal does pip show progress.
QUIETLY := $$(test -t 2 || echo --quiet) </dev/null >&2

# Each worker may load the default body; a file's tests stay together, for what they share.
IN_PARALLEL := --numprocesses auto --dist loadfile

PERSONA ?= tests/data/persona-en.json
NIGHT   ?= 1

.PHONY: chat test browser screenshots lint bench native-body campaign-souls campaign-kills campaign-frames exam exam-day exam-nights setup setup-dev body test-body clean anew
.NOTPARALLEL:

chat: setup
	@BIT_TTT_CONFIG="$${BIT_TTT_CONFIG:-$(CURDIR)/config.yaml}" $(BIN)/soul chat

test: setup-dev test-body
	@BIT_TTT_CONFIG= $(BIN)/python -m pytest $(IN_PARALLEL) --ignore tests/browser $(PYTEST_ARGS)

browser: setup-dev
	@BIT_TTT_CONFIG= $(BIN)/python -m pytest $(IN_PARALLEL) tests/browser $(PYTEST_ARGS)

screenshots: setup-dev
	@BIT_TTT_CONFIG= $(BIN)/python -m tests.browser.screenshots $(PAGES)

lint: setup-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: setup-dev test-body
	@BIT_TTT_CONFIG= $(BIN)/python -m tests.bench $(BENCH_ARGS)

native-body: setup-dev
	@BIT_TTT_CONFIG= $(BIN)/python -m tests.bench.native_body --preset $(or $(PRESET),nano) \
	  $(if $(STEPS),--steps $(STEPS))

# A general quiz has no nights: make exam PERSONA=general.json NIGHT=
exam: setup
	@BIT_TTT_CONFIG="$${BIT_TTT_CONFIG:-$(CURDIR)/config.yaml}" \
	  $(BIN)/soul exam "$(PERSONA)" $(if $(NIGHT),--night $(NIGHT)) $(EXAM_ARGS)

exam-day: setup-dev test-body
	@BIT_TTT_CONFIG= $(BIN)/python -m tests.exam day --idle $(or $(IDLE),30) --night $(NIGHT) \
	  $(if $(GENERAL),--general "$(GENERAL)") $(if $(TEXT),--text "$(TEXT)") $(PERSONAS)

exam-nights: setup-dev test-body
	@BIT_TTT_CONFIG= $(BIN)/python -m tests.exam nights --idle $(or $(IDLE),2) \
	  $(if $(NIGHTS),--nights $(NIGHTS)) $(if $(GENERAL),--general "$(GENERAL)") \
	  $(if $(TEXT),--text "$(TEXT)") $(EXAM_ARGS) $(PERSONAS)

campaign-souls: setup-dev
	@SOUL_MUTATIONS=$${SOUL_MUTATIONS:-5000} $(BIN)/python -m pytest -q -s --timeout 1800 \
	  tests/unit/test_soulfile_mutations.py

campaign-kills: setup-dev
	@KILLS=$${KILLS:-200} $(BIN)/python -m pytest -q -s --timeout 7200 tests/fault/test_kills.py

campaign-frames: setup-dev
	@FRAMES=$${FRAMES:-100000} $(BIN)/python -m pytest -q -s --timeout 7200 tests/fault/test_frames.py

body: setup
	@BIT_TTT_CONFIG="$${BIT_TTT_CONFIG:-$(CURDIR)/config.yaml}" \
	  $(BIN)/python -m sould pull --if-missing </dev/null

# Tests want the default body in this folder, whatever the config says.
test-body: setup
	@$(BIN)/python -m sould pull --config config.yaml --models models --if-missing \
	  smollm2-135m-instruct </dev/null

setup: $(VENV)/.installed
setup-dev: $(VENV)/.installed-dev

$(VENV)/.made: $(ANEW)
	@for python in $(PYTHON) none; do \
	  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; \
	done; \
	if [ "$$python" = none ]; then \
	  echo "Bit-TTT needs Python 3.11 or newer; found none of: $(PYTHON)" >&2; \
	  echo "if you have one elsewhere: make PYTHON=/path/to/python3" >&2; exit 1; \
	fi; \
	echo "creating $(VENV) with $$python" >&2; \
	rm -rf $(VENV); \
	"$$python" -m venv $(VENV) </dev/null >&2 || { \
	  rm -rf $(VENV); \
	  echo "Python could not make a virtual environment (see above);" >&2; \
	  echo "on Debian and Ubuntu: sudo apt install python3-venv" >&2; exit 1; \
	}
	@printf '%s' "$(CURDIR)" >$@

$(VENV)/.installed: pyproject.toml $(VENV)/.made
	@echo "installing Bit-TTT into $(VENV): a few minutes the first time" >&2
	@rm -f $(VENV)/.installed $(VENV)/.installed-dev
	@$(PIP) -e . $(QUIETLY)
	@touch $@

$(VENV)/.installed-dev: pyproject.toml $(VENV)/.made
	@echo "installing Bit-TTT and its test tools into $(VENV): a few minutes the first time" >&2
	@rm -f $(VENV)/.installed $(VENV)/.installed-dev
	@$(PIP) -e '.[test,lint]' $(QUIETLY)
	@touch $(VENV)/.installed $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find daemon clients plugins tests -name __pycache__ -prune -exec rm -rf {} +
