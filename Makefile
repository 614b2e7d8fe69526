# Everything that is built or fetched is kept here, outside the checkout, so that a second run is quick.
export KINETES_CACHE ?= $(HOME)/.cache/kinetes
export CARGO_TARGET_DIR ?= $(KINETES_CACHE)/target

.PHONY: help run test prove bench copies simulate bugs version-skew images crds signals

help: ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' Makefile

run: ## build, serve the stream of examples/orders.yaml on localhost:4567, put and get a record
	@examples/run

test: ## run every test, those on a real Kubernetes included
	@tests/run

prove: simulate bugs ## run the longer forms of the tests: ten times the worlds, and every planted bug

bench: ## measure it beside its peers and what the machine allows, and write docs/benchmark.md (45 minutes; BESIDE=commit)
	@tests/bench/run $(if $(BESIDE),--beside $(BESIDE))

copies: ## count the allocations and copies of a record on its way through gateway and log, and write docs/copies.md
	@tests/bench/copies/run

simulate: ## live through 10,000 worlds of each kind, in which disks, clocks and networks fail (SEEDS=n, SEED=first, WORLDS=log|groups)
	@cargo run --quiet --locked --package simulation

bugs: ## plant bugs in a copy of the log, one by one, and look whether the simulation finds them
	@tests/simulation/bugs/run

version-skew: ## let this version and one with more in its logs and its protocol work together, both ways
	@tests/run skew

images: ## build the container images as archives, with no daemon
	@images/build

crds: ## write the generated resource definitions to crds/
	@cargo run --quiet --package operator -- crds --dir crds/templates

signals: ## write the generated list of the operator's conditions, reasons and metrics to docs/
	@cargo run --quiet --package operator -- signals > docs/signals.md
