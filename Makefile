# `make help` lists what can be made. VENV=folder and PYTHON=program choose others than the defaults.
VENV   ?= .venv
PYTHON ?=
ARGS   ?=
ONLY   ?=
TORCH  ?=

# A PYTHONPATH of the shell would let the lessons import another vqlab than this one.
unexport PYTHONPATH PYTHONHOME
export JUPYTER_PREFER_ENV_PATH = 1

PY := $(VENV)/bin/python
RECIPE := pyproject.toml .constraints.txt .make/setup.sh

.DEFAULT_GOAL := help
.PHONY: help lab app test bench check notebooks assignment grade slides site tryinstall leaderboard \
	stress readme picture lock clean

help:  ## list the targets
	@echo "vqlab: a laboratory for vector quantization and codebook collapse"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

lab: $(VENV)/.has-lab  ## set up, then open JupyterLab on the first lesson (ARGS="--no-browser --port 8890")
	@$(PY) .make/lab.py $(ARGS)

app: $(VENV)/.has-app  ## set up, then open the explorers as a page by themselves (ARGS="--no-browser --port 8891")
	@$(PY) .make/app.py $(ARGS)

test: $(VENV)/.has-test  ## set up, then run all tests: library, README, browser, lessons
	@PY=$(PY) sh .make/test.sh

bench: $(VENV)/.has-bench  ## set up, then print the speed table
	@$(PY) tests/bench.py $(ARGS)

check: $(VENV)/.has-test  ## ruff and mypy
	@failed=0; $(PY) -m ruff check . || failed=1; $(PY) -m mypy || failed=1; exit $$failed

notebooks: $(VENV)/.has-authoring  ## run the lessons and store their outputs (ONLY=02_drift for one)
	@$(PY) .make/notebooks.py $(ONLY)

assignment: $(VENV)/.has-test  ## the exercises for students, without solutions, in course/release (ONLY="01 04")
	@$(PY) .make/course.py assignment $(ONLY)

grade: $(VENV)/.has-test  ## mark FROM=folder/STUDENT/01_….ipynb into course/marks.csv; it runs their code!
	@test -n "$(FROM)" || { echo 'usage: make grade FROM=folder [ONLY="01 04"]'; exit 2; }
	@$(PY) .make/course.py grade "$(FROM)" $(ONLY)

slides: $(VENV)/.has-test  ## slides of lessons 00 and 02, to show and print, in course/slides
	@$(PY) .make/slides.py $(ONLY)

site: $(VENV)/.has-site  ## pages of all lessons, the course and the reference, in build/site
	@OMP_NUM_THREADS=1 $(PY) .make/publish.py

tryinstall:  ## as Colab would: clone, install into an empty environment, run the first lesson there
	@$(if $(PYTHON),$(PYTHON),python3) .make/tryinstall.py $(ARGS)

leaderboard: $(VENV)/.has-lab  ## run every method on every motion again, into data/ (ARGS="--seeds 2")
	@OMP_NUM_THREADS=1 $(PY) -m vqlab.leaderboard $(ARGS)

stress: $(VENV)/.has-lab  ## train under every rate and start of lesson 06's table, into data/ (ARGS="--seeds 2")
	@OMP_NUM_THREADS=1 $(PY) -m vqlab.vision.stress $(ARGS)

readme: $(VENV)/.has-test  ## rewrite the README's tables from the code and the lessons
	@$(PY) .make/readme.py

picture: $(VENV)/.has-authoring  ## draw the README's picture
	@OMP_NUM_THREADS=1 $(PY) .make/picture.py

lock:  ## find the newest versions within the supported ranges (TORCH=2.13.0 changes PyTorch's)
	@TORCH=$(TORCH) $(if $(PYTHON),$(PYTHON),python3) .make/lock.py

clean:  ## remove the virtual environment and all caches
	@rm -rf $(VENV) $(VENV).log build dist *.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "vqlab: clean"

# A stamp per set of packages: a second call is instant; new versions or a broken venv set up again.
$(VENV)/.has-lab: $(RECIPE) | $(PY)
	@PYTHON="$(PYTHON)" sh .make/setup.sh $(VENV) train && touch $@

$(VENV)/.has-test: $(RECIPE) | $(PY)
	@PYTHON="$(PYTHON)" sh .make/setup.sh $(VENV) test,train,course,site && touch $@ $(VENV)/.has-lab $(VENV)/.has-site

$(VENV)/.has-bench: $(RECIPE) | $(PY)
	@PYTHON="$(PYTHON)" sh .make/setup.sh $(VENV) test,train,course,site,bench && touch $@ $(VENV)/.has-test

$(VENV)/.has-authoring: $(RECIPE) | $(PY)
	@PYTHON="$(PYTHON)" sh .make/setup.sh $(VENV) test,train,course,site,authoring && touch $@ $(VENV)/.has-test

$(VENV)/.has-app: $(RECIPE) | $(PY)
	@PYTHON="$(PYTHON)" sh .make/setup.sh $(VENV) train,app && touch $@ $(VENV)/.has-lab

$(VENV)/.has-site: $(RECIPE) | $(PY)
	@PYTHON="$(PYTHON)" sh .make/setup.sh $(VENV) train,course,site && touch $@ $(VENV)/.has-lab

# Missing when there is no venv yet, or when the Python it was made with is gone.
$(PY):
	@rm -f $(VENV)/.has-*
