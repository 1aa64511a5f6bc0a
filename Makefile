# make test    every test, small sizes: under a minute after compiling
# make check   what a change must pass: format, vet, modernise, tidy, lint, every test under the race detector, the contract
# make lint    staticcheck on every module
# make vuln    known vulnerabilities in what is linked, by govulncheck; asks vuln.go.dev
# make contract  break each rule of the contract and see a test name it; a minute
# make coverage  95 % of the statements of retry, scripted and fakeclock, and the rest by name
# make mutants  each operator of retry and scripted changed, and whether a test sees it, beside testdata/survivors.txt; a quarter of an hour (MUTATE='retry/decide.go' for one file)
# make fuzz    every fuzz target, a minute each (FUZZTIME=10m for longer)
# make bank    every mutant of the conformance suite, on five seeds: under a minute
# make kills   which rules each mutant violates, beside testdata/kills.txt: a minute or two
# make correct  correct code, written in 80 ways, through 50,000 checks each: minutes
# make golden  write the golden files anew; read the diff before committing it
# make validation  write docs/validation.md: the simulation beside closed forms and published experiments; minutes
# make speed   measure the fleet simulation; writes simulate/fleet/SPEED.txt
# make screenshots  the pictures of docs/images, with a Chromium
# make determinism  the same bytes on other architectures, under emulators; compiles for each: minutes
# make npm     the SDKs of OpenAI and Anthropic for JavaScript against retrysim serve; needs Node.js
# make pytest  the pytest of docs/serve.md against retrysim serve; needs Python with pytest
# make scoreboard  write docs/scoreboard.md: what SDKs and retry libraries do in bad weather; half a minute after compiling
# make repeats  the verdicts of the scoreboard a hundred times, and again under the race detector: many minutes
# make bench   the benchmarks, with allocations, and the figures beside other libraries
# make bench-compare  the benchmarks of the tree beside those of a commit, in ratios (BASE=main)
# make bench-save     the figures of this commit, to a file of benchmarks

GO ?= go

# Every module of this repository, the nested ones too. One that needs a newer
# Go is left out and says so.
modules = $(shell for m in $$(git ls-files 'go.mod' '*/go.mod' | xargs -n1 dirname | sort); do \
	if (cd $$m && $(GO) list -m 2>&1) | grep -q 'requires go >='; then echo "$$m: skipped, it needs a newer Go than $$($(GO) env GOVERSION)" >&2; else echo $$m; fi; done)

# Properties run from a fixed seed and with more cases than by default, and
# leave no files behind. The cache does not know these variables, hence -count.
properties = RAPID_SEED=1 RAPID_CHECKS=1000 RAPID_NOFAILFILE=1

# The tools that look at the code. They need Go 1.26; with an older one, or
# where they cannot be had, their targets say that they were skipped.
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK = golang.org/x/vuln/cmd/govulncheck@v1.9.0

# How long each fuzz target runs.
FUZZTIME ?= 60s

# What check is made of. Fuzzing is short here.
checks = format vet fix tidy lint vuln race contract coverage fuzz-short

.PHONY: test check checks coverage mutants fuzz-short format vet fix tidy lint vuln race contract fuzz bank kills correct golden validation speed determinism bench bench-compare bench-save screenshots npm pytest scoreboard repeats help

test:
	@$(GO) test ./...

check: $(checks)

checks:
	@echo $(checks)

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

lint:
	@bin=$$(mktemp -d) && trap 'rm -rf "$$bin"' EXIT; \
	if ! GOBIN=$$bin $(GO) install $(STATICCHECK) 2>"$$bin/log"; then echo "lint: skipped, $(STATICCHECK) cannot be installed: $$(tail -1 "$$bin/log")"; exit 0; fi; \
	for m in $(modules); do (cd $$m && "$$bin/staticcheck" ./...) || exit 1; done; echo "lint: ok"

# govulncheck exits with 3 when it found something. It asks vuln.go.dev.
vuln:
	@bin=$$(mktemp -d) && trap 'rm -rf "$$bin"' EXIT; \
	if ! GOBIN=$$bin $(GO) install $(GOVULNCHECK) 2>"$$bin/log"; then echo "vuln: skipped, $(GOVULNCHECK) cannot be installed: $$(tail -1 "$$bin/log")"; exit 0; fi; \
	for m in $(modules); do \
		if (cd $$m && "$$bin/govulncheck" ./...) >"$$bin/log" 2>&1; then continue; fi; \
		if grep -q 'fetching vulnerabilities' "$$bin/log"; then echo "vuln: skipped, the database cannot be reached: $$(tail -1 "$$bin/log")"; exit 0; fi; \
		echo "$$m:"; cat "$$bin/log"; exit 1; \
	done; echo "vuln: ok"

# The race detector needs cgo; without a C compiler the tests run without it.
race:
	@if command -v $$($(GO) env CC) >/dev/null; then race=-race; else echo "race: skipped, there is no C compiler"; fi; \
	for m in $(modules); do (cd $$m && $(properties) $(GO) test -count=1 -timeout 40m $$race ./...) || exit 1; done

contract:
	@$(GO) test -count=1 -timeout 20m -run '^TestEveryRuleIsHeldByATest$$' . -contract && echo "contract: ok"

# Without the limit on minimizing the fuzzer spends most of a short run on it.
fuzz:
	@for p in $$($(GO) list ./...); do \
		for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do \
			$(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$p >fuzz.log 2>&1 || { cat fuzz.log; rm fuzz.log; exit 1; }; \
			echo "fuzz: $$f ok ($(FUZZTIME))"; \
		done; \
	done; rm -f fuzz.log

fuzz-short:
	@$(MAKE) --no-print-directory fuzz FUZZTIME=20000x

coverage:
	@GO="$(GO)" .ci/coverage && echo "coverage: ok"

MUTATE = retry/*.go scripted/*.go

mutants:
	@$(GO) test -count=1 -timeout 10h -run '^TestMutants$$' . -mutate '$(MUTATE)' && echo "mutants: ok"

bank:
	@$(GO) test -count=1 -timeout 10m -run 'Bank|EveryRule' ./propertytest/explore -long

# ARGS=-update writes the table anew.
kills:
	@$(GO) test -count=1 -timeout 30m -run 'TestKills' ./propertytest/explore -long $(ARGS)

correct:
	@$(GO) test -count=1 -timeout 60m -run 'CorrectCode' ./propertytest/explore -long

golden:
	@$(GO) test ./fakeclock ./retry/trace ./scripted ./scripted/wire ./cmd/retrysim ./propertytest/explore ./propertytest/faults ./docs ./docs/howto . -update

speed:
	@$(GO) test ./simulate/fleet -count=1 -timeout 30m -run TestSpeedFigures -speed SPEED.txt

validation:
	@$(GO) test ./simulate/fleet -count=1 -timeout 60m -full -validation ../../docs/validation.md

# The comparisons with other libraries write their figures to BENCH.txt; the
# one of clocks takes about three minutes.
bench:
	@$(GO) test -run '^$$' -bench . -benchmem ./...
	@cd propertytest/peers && $(GO) test ./clocks -run TestFigures -figures -timeout 20m
	@cd propertytest/peers && ./loops/figures

bench-compare:
	@GO="$(GO)" benchmarks/run compare $(BASE)

bench-save:
	@GO="$(GO)" benchmarks/run save

screenshots:
	@GO="$(GO)" ./docs/screenshots.sh

determinism:
	@.ci/determinism

# The comment on top of this file.
help:
	@sed -n '/^#/p; /^$$/q' Makefile

# The versions are those that go.mod pins; the schedules in its source are
# checked first.
scoreboard:
	@cd propertytest/peers/sdks && $(GO) test -count=1 -run 'TestSchedules|TestScoreboard' . -update

repeats:
	@cd propertytest/peers/sdks && $(GO) test -count=1 -timeout 30m -run TestVerdictsAreTheSameEachTime . -repeats 100
	@cd propertytest/peers/sdks && $(GO) test -race -count=1 -timeout 90m -run TestVerdictsAreTheSameEachTime . -repeats 100

# The SDKs are installed outside the repository, and removed again.
npm:
	@if ! command -v node >/dev/null || ! command -v npm >/dev/null; then echo "npm: skipped, there is no Node.js"; exit 0; fi; \
	dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && cp -r cmd/retrysim/testdata/npm/. "$$dir" && \
	if ! (cd "$$dir" && npm install --no-audit --no-fund --no-package-lock >npm.log 2>&1); then tail -5 "$$dir/npm.log"; echo "npm: skipped, the SDKs cannot be installed"; exit 0; fi; \
	$(GO) build -o "$$dir/retrysim" ./cmd/retrysim && (cd "$$dir" && RETRYSIM="$$dir/retrysim" npm test --silent) && echo "npm: ok"

# The openai package is installed outside the repository, and removed again.
# Where it cannot be had, a stand-in takes its place.
OPENAI_PYTHON = openai==3.51.0

pytest:
	@for python in python3 /usr/bin/python3 ""; do if [ -n "$$python" ] && $$python -m pytest --version >/dev/null 2>&1; then break; fi; done; \
	if [ -z "$$python" ]; then echo "pytest: skipped, there is no Python with pytest"; exit 0; fi; \
	dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && cp -r cmd/retrysim/testdata/pytest/. "$$dir" && \
	sdk="$$dir/sdk" && if ! $$python -m pip install --quiet --retries 1 --timeout 15 --target "$$sdk" $(OPENAI_PYTHON) >"$$dir/pip.log" 2>&1; then \
		echo "pytest: skipped $(OPENAI_PYTHON), a stand-in of the standard library runs instead: $$(tail -1 "$$dir/pip.log")"; sdk="$$dir/standin"; fi; \
	$(GO) build -o "$$dir/bin/retrysim" ./cmd/retrysim && \
	(cd "$$dir" && PATH="$$dir/bin:$$PATH" PYTHONPATH="$$sdk" PYTHONDONTWRITEBYTECODE=1 $$python -m pytest -q -p no:cacheprovider test_*.py) && echo "pytest: ok"
