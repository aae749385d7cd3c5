# What `make` alone shows.
.DEFAULT_GOAL := help

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS := -X main.version=$(VERSION)

.PHONY: help
help: ## show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

.PHONY: build
build: ## build bin/coalesce
	go build -trimpath -ldflags '$(LDFLAGS)' -o bin/coalesce ./cmd/coalesce

.PHONY: run
run: build ## build and run the daemon with the configuration of this folder
	bin/coalesce run

# Go's ten minutes for the tests of a package are too few for a slow machine.
LIMIT := -timeout 60m
.PHONY: test
test: ## run all tests
	go test $(LIMIT) ./...

# SQLite is C made Go, with memory of its own: the race detector finds nothing in it,
# and makes it ten times slower.
RACE := -race -gcflags=modernc.org/...=-race=false
.PHONY: race
race: ## run all tests with the race detector
	go test $(RACE) $(LIMIT) ./...

FUZZTIME := 5s
.PHONY: fuzz
fuzz: ## run each fuzz target for FUZZTIME
	@bin=$$(mktemp) && trap 'rm -f "$$bin"' EXIT && cache=$$(go env GOCACHE)/fuzz && \
	go list -f '{{.ImportPath}} {{.Dir}}' ./... | while read -r pkg dir; do \
	  targets=$$(cat "$$dir"/*_test.go 2>/dev/null | sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p'); \
	  [ -n "$$targets" ] || continue; \
	  go test -c -fuzz . -o "$$bin" $$pkg || exit 1; \
	  for f in $$targets; do \
	    echo "$$pkg $$f"; \
	    (cd "$$dir" && "$$bin" -test.run '^$$' -test.fuzz "^$$f\$$" -test.fuzztime $(FUZZTIME) -test.fuzzcachedir "$$cache/$$pkg") || exit 1; \
	  done; \
	done

.PHONY: micro
micro: ## run the benchmarks beside the code
	go test -run '^$$' -bench . ./plaintext ./series ./pyre ./naming ./rules ./rulebook ./cell ./aggregator ./upstream ./ingest ./spool ./route ./archive ./catalog ./store/... ./query/... ./api/graphite/wire

.PHONY: bench
bench: build ## measure the daemon end to end, beside the peers that are installed
	go build -o bin/coalesce-bench ./bench
	bin/coalesce-bench -coalesce bin/coalesce $(BENCH)
