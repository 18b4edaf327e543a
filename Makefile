# make run, make test and make check set up what they need in .venv, nowhere else. The locks name
# all that is needed, so pip resolves nothing (--no-deps).
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test check docs bench notebooks spark lock clean

run: .venv/run
	$(BIN)/python -m flows.main

# Each process has a PostgreSQL and a Prefect server of its own, and whole files of tests: in their
# order, so that the many short ones come last, and no process waits long for another.
test: .venv/dev
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

check: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# What the docs have from the code; a test fails where it is not what this writes.
docs: .venv/dev
	$(BIN)/python -m tests.docs.tables_page
	$(BIN)/python -m tests.docs.settings_page
	$(BIN)/python -m tests.flows.faults

# What the README says of speed.
bench: .venv/dev .venv/dbt
	$(BIN)/python -m tests.benchmarks.bench
	$(BIN)/python -m tests.benchmarks.page

notebooks: .venv/notebooks
	$(BIN)/jupyter lab --notebook-dir=. reports/notebooks

# For a warehouse on a Spark cluster.
spark: .venv/spark

# The locks hold hashes and no address, for every platform and Python from 3.11. Without one extra of
# JupyterLab's: where it is there, every process of Prefect imports it, which takes a second.
LOCK = $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-strip-extras --no-emit-index-url --no-header --quiet \
	--no-emit-package rfc3987-syntax --no-emit-package lark
lock: .venv/dev
	$(BIN)/python -m pip install --quiet uv
	$(LOCK) $(UPGRADE) --output-file requirements.txt
	$(LOCK) $(UPGRADE) --group dev --constraint requirements.txt --output-file requirements-dev.txt
	$(LOCK) $(UPGRADE) --extra spark --constraint requirements-dev.txt --output-file requirements-spark.txt
	$(subst pyproject.toml,--group pyproject.toml:dbt,$(LOCK)) $(UPGRADE) --output-file requirements-dbt.txt
	$(LOCK) $(UPGRADE) --group notebooks --constraint requirements-dev.txt --output-file requirements-notebooks.txt

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name it: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/run: requirements.txt .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.txt
	touch $@

.venv/dev: requirements-dev.txt .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.txt
	touch $@

.venv/notebooks: requirements-notebooks.txt .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-notebooks.txt
	touch $@

.venv/spark: requirements-spark.txt .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-spark.txt
	touch $@

.venv/dbt: requirements-dbt.txt .venv/bin/python
	$(PYTHON) -m venv $@
	$@/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dbt.txt
	touch $@

clean:
	rm -rf .venv reports/out data/warehouse.duckdb data/.warehouse.duckdb*
