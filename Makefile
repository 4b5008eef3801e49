# make run      set up what is missing and start the appliance (root; Ctrl-C stops it)
# make demo     phones, a carrier and an attacker in network namespaces of their own, in about a minute
# make test     all tests            make check   lint, types, formatting, directions, generated documents
# make pictures  the pictures in docs/pictures, out of a real browser
# make bench    ratios to other programs             make install   the command `appliance` for every shell
# make test-kernels   the gate under the kernels and compilers of Debian 12 and 13, in virtual machines without a network
# make image    the hardened virtual machine, into build/image      make image-check   boots it, and proves it
# make image-test   an operator's day with it              make image-compare   builds it twice; make image-verify
#
# make run IFACE=eth0                a real interface instead of lo (several: IFACE="eth0 eth1")
# make image ARGS="formats=qcow2 disk_mib=8192"      (ARGS=help lists all)
# make run STATE=/srv/pbx LISTEN=192.0.2.1 RUNTIME=/run/pbx ARGS="--relay user"

PYTHON := .venv/bin/python
IFACE ?= lo
# The build's results and caches; never the state directory.
RUBBISH := .build build .mypy_cache .ruff_cache .pytest_cache .hypothesis

comma := ,
RUN_ARGS = $(addprefix --interface ,$(IFACE)) $(addprefix --listen ,$(LISTEN)) \
	$(if $(STATE),--state $(STATE)) $(if $(RUNTIME),--runtime $(RUNTIME)) $(ARGS)

.PHONY: run demo test test-kernels image image-check image-compare image-test image-verify check pictures bench setup install clean docs

run: setup
	@exec .venv/bin/appliance run --demo-accounts $(RUN_ARGS)

setup:
	@appliance/setup.sh run

demo:
	@appliance/setup.sh test
	@exec $(PYTHON) -m tests.demo $(ARGS)

test:
	@appliance/setup.sh test
	@exec $(PYTHON) -m tests $(ARGS)

test-kernels:
	@appliance/setup.sh kernels
	@exec $(PYTHON) -m tests.qemu $(ARGS)

image:
	@appliance/setup.sh image
	@exec nice -n 5 $(PYTHON) -m image $(ARGS)

image-compare:
	@appliance/setup.sh image
	@exec nice -n 5 $(PYTHON) -m image compare $(ARGS)

image-verify:
	@appliance/setup.sh image
	@exec $(PYTHON) -m image verify $(ARGS)

image-test:
	@appliance/setup.sh image
	@exec nice -n 5 $(PYTHON) -m tests.image.acceptance $(ARGS)

image-check:
	@appliance/setup.sh image
	@exec nice -n 5 $(PYTHON) -m tests.image $(ARGS)

check:
	@appliance/setup.sh test
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	$(PYTHON) -m pytest tests/test_directions.py
	.venv/bin/appliance docs --check

docs: setup
	.venv/bin/appliance docs

pictures:
	@appliance/setup.sh test
	@exec $(PYTHON) -m tests.browser.pictures

bench:
	@appliance/setup.sh bench
	@exec $(PYTHON) -m tests.bench $(ARGS)

install: setup
	ln -sfn $(CURDIR)/.venv/bin/appliance /usr/local/bin/appliance

clean:
	rm -rf $(RUBBISH) .venv
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
