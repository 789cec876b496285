# Linarite. `make` alone prints what there is.

FUZZTIME ?= 60s
ARGS     ?=

BUILD := CGO_ENABLED=0 go build -trimpath -ldflags "-s -w"
LINT  := go tool -modfile=$(CURDIR)/tools.mod golangci-lint
# The program, the black-box suites, what holds the codec against another one, the
# load generator and the Go example each have a module.
MODULES := . test test/codec bench examples/device

.PHONY: help
help:
	@echo "make run          build and start the hub; ARGS=\"--log-level debug\""
	@echo "make build        build bin/linarite"
	@echo "make test         every test, the official SDKs' suites included"
	@echo "make race         every test again, the hub built with the race detector"
	@echo "make hostile      a thousand hostile inputs against the built binary; four minutes"
	@echo "make lint         vet, linters, formatting"
	@echo "make fmt          format the code"
	@echo "make fuzz         every fuzz target for FUZZTIME=$(FUZZTIME) each"
	@echo "make bench        Go benchmarks, then load beside Mosquitto and stock mochi; ten minutes"
	@echo "make bench-quick  load beside Mosquitto, a minute; ARGS=\"--json FILE\""
	@echo "make bench-diff   Go benchmarks of the hot functions against the last commit; BASE=v1.0"
	@echo "make soak         2,000 devices that do everything, for half an hour; ARGS=\"--duration 6m\""
	@echo "make ci           what a change must pass: lint race fuzz test hostile examples image-check"
	@echo "make examples     the example programs, against the built binary"
	@echo "make dist         binaries for Linux, macOS and Windows, reproducible"
	@echo "make image        container images for amd64 and arm64"
	@echo "make image-check  the images, and compose with an SDK on a daemon of its own"
	@echo "make lock         renew the SDK suites' lock files"
	@echo "make clean        remove what was built and installed here"

.PHONY: run
run: build
	bin/linarite serve $(ARGS)

.PHONY: build
build:
	$(BUILD) -o bin/linarite ./cmd/linarite

.PHONY: test
test:
	@go -C test run ./run

.PHONY: race
race:
	@go -C test run ./run -race

.PHONY: hostile
hostile: build
	@LINARITE_BIN=$(CURDIR)/bin/linarite go -C test/hostile test -count=1 -timeout 10m

.PHONY: lint
lint:
	@for module in $(MODULES); do \
		echo "lint $$module" && (cd $$module && go vet ./... && $(LINT) run) || exit 1; \
	done

.PHONY: fmt
fmt:
	@for module in $(MODULES); do (cd $$module && $(LINT) fmt) || exit 1; done

.PHONY: fuzz
fuzz:
	@test/fuzz.sh $(FUZZTIME)

.PHONY: bench
bench:
	go test -run '^$$' -bench . -benchmem -benchtime 200ms ./...
	@$(MAKE) bench-load

.PHONY: bench-load
bench-load: build
	@bench/install-mosquitto.sh
	@go -C bench build -o ../bin/bench .
	@bin/bench --hub bin/linarite $(ARGS)

.PHONY: bench-quick
bench-quick:
	@$(MAKE) bench-load ARGS="--quick $(ARGS)"

.PHONY: bench-diff
bench-diff:
	@bench/diff.sh $(BASE)

.PHONY: soak
soak: build
	@go -C bench build -o ../bin/soak ./soak
	@bin/soak --hub bin/linarite $(ARGS)

.PHONY: examples
examples: build
	@examples/run.sh

.PHONY: dist
dist:
	@docker/dist.sh

.PHONY: image
image:
	@docker/install.sh
	@docker/image.sh

.PHONY: image-check
image-check: image
	@docker/check.sh

# The examples and the image's check use the SDKs that test installs.
.PHONY: ci
ci:
	@$(MAKE) lint
	@$(MAKE) race
	@$(MAKE) fuzz FUZZTIME=3s
	@$(MAKE) test
	@$(MAKE) hostile
	@$(MAKE) examples
	@$(MAKE) image-check

.PHONY: lock
lock:
	cd test/sdk/node && npm install --package-lock-only
	cd test/sdk/python && python3 -m venv .venv && .venv/bin/pip install --quiet pip-tools && \
		CUSTOM_COMPILE_COMMAND="make lock" .venv/bin/pip-compile --quiet --generate-hashes --strip-extras \
		--no-emit-options --no-emit-index-url --output-file requirements.txt requirements.in
	cd test/sdk/java && rm -rf .m2 && mvn -B -ntp -q -Dmaven.repo.local=.m2 test -Dtest=None \
		-Dsurefire.failIfNoSpecifiedTests=false && mvn -B -ntp -q -Dmaven.repo.local=.m2 \
		org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies -DoutputDirectory=.m2/lib && \
		find .m2 -name '*.jar' | LC_ALL=C sort | xargs sha256sum >maven.sha256
	cd test/readme/testdata/java && rm -rf lib && mvn --batch-mode --quiet \
		org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies -DoutputDirectory=lib && \
		(cd lib && sha256sum *.jar) > lib.sha256
	cd test/readme/testdata/go && go mod tidy

.PHONY: clean
clean:
	rm -rf bin test/sdk/node/node_modules test/sdk/python/.venv test/sdk/java/.m2 test/sdk/java/target \
		test/readme/testdata/java/lib
