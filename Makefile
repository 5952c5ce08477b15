# One-line wrappers; everything real is in dev.py (which also works where there is no make).
.PHONY: setup demo test lint docs bench screenshots
setup demo test lint docs bench screenshots:
	python3 dev.py $@ $(ARGS)
