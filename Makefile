# Two commands do everything: make demo, make test. Everything they make lies in .venv and var.
PYTHON ?= python3
PORT ?= 8000
FITS ?=
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -r /dev/stdin -c constraints.txt

.PHONY: demo serve test install install-dev browser lint bench clean

demo: install
	@exec $(BIN)/python manage.py demo --port "$(PORT)" --fits "$(FITS)"

serve: install
	@exec $(BIN)/python manage.py serve --port "$(PORT)"

install: $(VENV)/installed

install-dev: $(VENV)/installed-dev

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("Poreweb needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV) || { tools/install_system_packages python3-venv && $(PYTHON) -m venv --clear $(VENV); } \
	    || { rm -rf $(VENV); exit 1; }  # Debian leaves half an environment when python3-venv is missing

$(VENV)/installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing the pinned dependencies into $(VENV) (a minute or two, once)"
	$(BIN)/python tools/requirements | $(PIP_INSTALL)
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python tools/requirements dev | $(PIP_INSTALL)
	@touch $@

# The tests drive Debian's Chromium.
browser:
	@command -v chromium >/dev/null || tools/install_system_packages chromium fonts-dejavu-core

test: install-dev browser
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

bench: install-dev
	$(BIN)/python -m pytest tests/benchmarks --benchmark-only --benchmark-columns=min,median,rounds

lint: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy processing poreweb
	$(BIN)/python manage.py makemigrations --check --dry-run

clean:
	rm -rf $(VENV) var
