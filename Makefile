# make demo      a whole election on this computer
# make audit     the audit for a browser; demo and test make it first
# make test      everything that can be checked without a network
# make bench     how fast each step is
# make generate  the files that are made from others; needs npm and a network
# make vuln      known holes in what is built in; needs a network
# make fuzz      every parser and every handler on made-up bytes, FUZZTIME for each
# make browser   every page and path in every language; prints a table
# make screenshots  a picture of every page, into bin/screenshots
# make torture   attacks on a whole service, for TORTURE_MINUTES; prints a table

GO       ?= go
FUZZTIME ?= 60s
# Processes of a fuzzer, each with databases of its own where it needs them, and the
# memory from which on each collects its garbage without delay.
FUZZWORKERS ?= 2
FUZZMEMORY  ?= 1GiB
TORTURE_MINUTES ?= 45
# Flags for the demo: make demo ARGS='-members 500'
ARGS     ?=

# Test vectors of others that are kept beside the repository, if they are.
vectors := $(wildcard ../shared/vectors)
ifneq ($(vectors),)
export TEST_VECTORS := $(abspath $(vectors))
endif

sources := cmd internal migrations templates

# The race detector makes arithmetic ten times slower. The protocol has no
# goroutine, and those of the auditor run under the detector in the tests of the
# demo. What bundles the scripts has none either, and waits for Node, nor has what reads
# rolls. What the commands and the model run is tested under it package by package.
arithmetic := ./internal/protocol/... ./internal/audit/...
unraced    := $(arithmetic) ./internal/bundle/... ./internal/roll ./internal/model ./internal/torture ./internal/browser ./cmd/strikevote
# Of others' packages those that only calculate are not watched by the detector either: a
# tenth to a third of the time of a package's tests. No package belongs here whose locks or generic functions
# guard what other packages read, for their order would not be seen: not all of crypto.
plain := filippo.io/... golang.org/x/crypto/argon2 math/big $(addprefix crypto/internal/fips140/,bigmod edwards25519/... sha256 sha512)
# Packages whose tests attack; those tests are named TestTorture and more.
tortured   := ./internal/torture ./internal/model ./internal/audit ./internal/ballotbox ./internal/registrar ./internal/mailer ./internal/board ./internal/witness

# Tests make and remove databases, of hundreds of files each, by the thousand. They do it
# in memory where there is enough and programs may run from there; no test cuts the power,
# which is all that a disk would be for.
memory := $(shell test "$$(df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 { print $$4 }')" -gt 4000000 2>/dev/null && \
  awk '/^MemAvailable:/ && $$2 > 8000000 { room = 1 } $$2 == "/dev/shm" && $$4 ~ /noexec/ { closed = 1 } \
    END { if (room && !closed) print "/dev/shm" }' /proc/meminfo /proc/mounts)

# Members, tellers, witnesses and auditors have other systems than the service.
systems := darwin/arm64 windows/amd64

# The program of the page /check, and what Go ships to run it in a browser. They
# are made here and never committed; a build without them offers the one command
# only. Nothing of this computer enters them, so that everybody makes the same
# bytes. Go does not link again what is up to date, and what has not changed is not
# written again, so that the service is not built again either.
browser := templates/assets/audit

.PHONY: demo audit test bench generate vuln fuzz torture browser screenshots

audit:
	@GOOS=js GOARCH=wasm $(GO) build -trimpath -buildvcs=false -ldflags='-s -w' -o bin/audit.wasm ./cmd/strikevote/wasm
# An interrupted gzip must not leave half of a file that is newer than its source.
	@test $(browser)/audit.wasm.gz -nt bin/audit.wasm || { gzip -9nc bin/audit.wasm >bin/audit.wasm.gz && mv bin/audit.wasm.gz $(browser)/audit.wasm.gz; }
	@cmp -s "$$($(GO) env GOROOT)/lib/wasm/wasm_exec.js" $(browser)/wasm_exec.js || \
	  cp "$$($(GO) env GOROOT)/lib/wasm/wasm_exec.js" $(browser)/wasm_exec.js

demo: audit
	@deploy/dependencies.sh
	@$(GO) build -trimpath -o bin/strikevote ./cmd/strikevote
	@bin/strikevote demo $(ARGS)

ifneq ($(memory),)
test: export TMPDIR := $(memory)
endif
test: audit
	@deploy/dependencies.sh test
	@unformatted=$$(gofmt -l $(sources)) && test -z "$$unformatted" || { echo "gofmt: $$unformatted" >&2; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	@for s in $(systems); do echo "build for $$s"; \
	  GOOS=$${s%/*} GOARCH=$${s#*/} CGO_ENABLED=0 $(GO) build -o /dev/null ./cmd/strikevote || exit 1; \
	done
	$(GO) test $(unraced)
	$(GO) test -race $(patsubst %,-gcflags=%=-race=false,$(plain)) $$($(GO) list ./... | grep -v -e /internal/protocol/ -e /internal/audit -e /internal/bundle -e /internal/roll -e /internal/model -e /internal/torture -e /internal/browser -e /cmd/)

bench:
	$(GO) test -run '^$$' -bench . -benchmem $(arithmetic)

generate:
	$(GO) generate ./...

vuln:
	$(GO) run golang.org/x/vuln/cmd/govulncheck@v1.9.0 ./...

fuzz:
	@for package in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz'); do \
	    echo "$$target $$package"; \
	    GOMEMLIMIT=$(FUZZMEMORY) $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10s \
	      -parallel $(FUZZWORKERS) $$package || exit 1; \
	  done; \
	done

torture:
	@deploy/dependencies.sh test
	@table=$$(mktemp) && trap 'rm -f "$$table"' EXIT && { \
	  TORTURE_MINUTES=$(TORTURE_MINUTES) TORTURE_TABLE=$$table \
	    $(GO) test -v -count=1 -p 1 -timeout 0 -run '^TestTorture' $(tortured); status=$$?; \
	  echo; cat "$$table"; exit $$status; }

browser: audit
	@deploy/dependencies.sh test
	@table=$$(mktemp) && trap 'rm -f "$$table"' EXIT && { \
	  BROWSER_LONG=1 BROWSER_TABLE=$$table \
	    $(GO) test -v -count=1 -timeout 30m ./internal/browser; status=$$?; \
	  echo; cat "$$table"; exit $$status; }

screenshots: audit
	@deploy/dependencies.sh screenshots
	@rm -rf bin/screenshots && mkdir -p bin/screenshots
	BROWSER_PICTURES=$(CURDIR)/bin/screenshots $(GO) test -count=1 -timeout 15m \
	  -run '^Test(Election|Factor|Mails)$$/(open|certified|accessible)/(accessible|all)' ./internal/browser
	@echo $(CURDIR)/bin/screenshots/index.html
