# make test    every test, small sizes: under a minute after compiling
# make check   what CI runs: format, vet, modernise, tidy, every test under the race detector
# make golden  write the golden files anew; read the diff before committing it
# make bench   the benchmarks, with allocations

GO ?= go

# Every module of this repository, the nested ones too.
modules = $(sort $(dir $(shell git ls-files 'go.mod' '*/go.mod')))

# Properties run from a fixed seed and with more cases than by default, and
# leave no files behind. The cache does not know these variables, hence -count.
properties = RAPID_SEED=1 RAPID_CHECKS=1000 RAPID_NOFAILFILE=1

.PHONY: test check format vet fix tidy race golden bench

test:
	@$(GO) test ./...

check: format vet fix tidy race

format:
	@unformatted=$$(git ls-files '*.go' | xargs gofmt -l); \
	if [ -n "$$unformatted" ]; then echo "not formatted (run gofmt -w):"; echo "$$unformatted"; exit 1; fi
	@echo "format: ok"

vet:
	@for m in $(modules); do (cd $$m && $(GO) vet ./...) || exit 1; done
	@echo "vet: ok"

# go fix modernises from Go 1.26 on; before, it only knows ancient code.
fix:
	@if $(GO) version | grep -qE 'go1\.(1|2[0-5])'; then echo "fix: skipped, it needs Go 1.26 ($$($(GO) version))"; \
	else for m in $(modules); do (cd $$m && $(GO) fix -diff ./...) || exit 1; done; echo "fix: ok"; fi

tidy:
	@for m in $(modules); do (cd $$m && $(GO) mod tidy -diff) || exit 1; done
	@echo "tidy: ok"

# The race detector needs cgo; without a C compiler the tests run without it.
race:
	@if command -v $$($(GO) env CC) >/dev/null; then race=-race; else echo "race: skipped, there is no C compiler"; fi; \
	for m in $(modules); do (cd $$m && $(properties) $(GO) test -count=1 $$race ./...) || exit 1; done

golden:
	@$(GO) test ./retry/trace ./cmd/retrysim -update

bench:
	@$(GO) test -run '^$$' -bench . -benchmem ./...
