# Needs Python 3.10 to 3.14 and a POSIX shell; everything else goes into .venv. The work is done by the scripts in .ci/.
export PYTHON BODY SEED

help:
	@echo 'make demo [BODY=photo.jpg] [SEED=7]   make a face of nobody and put it onto a photo, in results/'
	@echo 'make lab  [ARGS=--no-browser]         open JupyterLab on notebooks/'
	@echo 'make app  [ARGS=--no-browser]         serve pages for visitors: another person, and a face onto a photo'
	@echo 'make docs [ARGS="-a localhost:9000"]  build the site of docs/ and serve it on this machine'
	@echo 'make test [ARGS="-k name"]            check the style and run the tests'
	@echo 'make clean                            remove .venv and caches; pictures and checkpoints stay'
	@echo 'PYTHON=/path/to/python3.13            with any of them: the Python to set up .venv with'

demo:
	@sh .ci/demo

lab:
	@sh .ci/setup lab
	@.venv/bin/python -m jupyterlab --LabApp.default_url=/lab/tree/notebooks $(if $(filter 0,$(shell id -u)),--allow-root) $(ARGS)

app:
	@sh .ci/setup app
	@.venv/bin/python -m panels.serve notebooks/app $(ARGS)

docs:
	@sh .ci/setup docs
	@NO_MKDOCS_2_WARNING=1 .venv/bin/python -m mkdocs serve --strict $(ARGS)

test:
	@sh .ci/setup test
	.venv/bin/python -m ruff check
	.venv/bin/python -m ruff format --check
	.venv/bin/python -m pytest -q -n auto --dist loadgroup --durations=15 $(ARGS)

clean:
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help demo lab app docs test clean
