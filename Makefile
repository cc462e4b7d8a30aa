# forkgate. make help lists what there is.

PREFIX  ?= /usr
DESTDIR ?=
GO      ?= $(shell command -v go || echo /usr/local/go/bin/go)
BIN     ?= bin
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK = golang.org/x/vuln/cmd/govulncheck@v1.9.0

# Packages with goroutines, for the race detector. It slows everything else down to no purpose.
RACE    = ./gate/... ./systemd/... ./nsjail/wire/... ./nsjail/inside/names ./nsjail/egress
ROOTEXEC = unshare --mount --propagation private

bindir  = $(DESTDIR)$(PREFIX)/bin
libdir  = $(DESTDIR)$(PREFIX)/lib
etcdir  = $(DESTDIR)/etc/forkgate
sharedir = $(DESTDIR)$(PREFIX)/share
docdir  = $(sharedir)/doc/forkgate
attestdoc = $(sharedir)/doc/forkgate-attest
units   = $(notdir $(wildcard packaging/units/*))

.DEFAULT_GOAL = help
.PHONY: help docs-test docs-pictures release build needs-build install uninstall install-attest uninstall-attest test needs-test test-race test-root test-hosts test-quick test-vm package incident redteam fuzz lint vuln player bench demo demo-up demo-down clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' Makefile

build: needs-build ## build bin/forkgate, forkgate-init, forkgate-pod, forkgate-scrub and forkgate-attest
	$(GO) build -trimpath -ldflags '-X main.version=$(VERSION)' -o $(BIN)/forkgate ./cmd/forkgate
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o $(BIN)/ ./cmd/forkgate-init ./cmd/forkgate-pod ./cmd/forkgate-scrub ./cmd/forkgate-attest
	@rm -rf $(BIN)/docs
	$(BIN)/forkgate docs $(BIN)/docs
	$(BIN)/forkgate-attest docs $(BIN)/docs/attest

needs-build:
	@packaging/needs build

install: ## install what make build has built; DESTDIR and PREFIX (/usr) as usual
	@test -x $(BIN)/forkgate -a -x $(BIN)/forkgate-init -a -x $(BIN)/forkgate-pod -a -x $(BIN)/forkgate-scrub -a -d $(BIN)/docs || { echo 'make install: run make build first' >&2; exit 1; }
	install -D -m 755 $(BIN)/forkgate $(bindir)/forkgate
	install -D -m 755 -t $(libdir)/forkgate $(BIN)/forkgate-init $(BIN)/forkgate-pod $(BIN)/forkgate-scrub
	for unit in $(units); do \
	  install -D -m 644 packaging/units/$$unit $(libdir)/systemd/system/$$unit && \
	  sed -i 's|=\(-*\)/usr/bin/forkgate |=\1$(PREFIX)/bin/forkgate |; s|=/usr/lib/forkgate/|=$(PREFIX)/lib/forkgate/|' $(libdir)/systemd/system/$$unit || exit 1; done
	install -D -m 644 packaging/sysusers.conf $(libdir)/sysusers.d/forkgate.conf
	install -D -m 644 packaging/tmpfiles.conf $(libdir)/tmpfiles.d/forkgate.conf
	# Not 60-forkgate.conf, which is what doctor has the operator write in /etc, and would be read in the place of this.
	install -D -m 644 packaging/sysctl.conf $(libdir)/sysctl.d/50-forkgate.conf
	install -D -m 644 README.md $(docdir)/README.md
	# Below packaging/docs, so that links lead from README to them and back.
	install -D -m 644 -t $(docdir)/packaging/docs packaging/docs/*.md
	install -D -m 644 -t $(docdir)/packaging/docs/pictures packaging/docs/pictures/*.svg
	install -D -m 644 -t $(sharedir)/man/man1 $(BIN)/docs/man1/*.1
	install -D -m 644 -t $(sharedir)/man/man5 $(BIN)/docs/man5/*.5
	install -D -m 644 $(BIN)/docs/completions/forkgate $(sharedir)/bash-completion/completions/forkgate
	install -D -m 644 $(BIN)/docs/completions/_forkgate $(sharedir)/zsh/vendor-completions/_forkgate
	install -D -m 644 $(BIN)/docs/completions/forkgate.fish $(sharedir)/fish/vendor_completions.d/forkgate.fish
	install -D -m 644 packaging/sshd_config.d/forkgate.conf $(docdir)/sshd_config.d/forkgate.conf
	sed -i 's|ForceCommand /usr/bin/forkgate |ForceCommand $(PREFIX)/bin/forkgate |; s|--shell /usr/bin/forkgate |--shell $(PREFIX)/bin/forkgate |' $(docdir)/sshd_config.d/forkgate.conf
	install -D -m 644 packaging/apparmor/forkgate-gate $(DESTDIR)/etc/apparmor.d/forkgate-gate
	sed -i 's|/usr/bin/forkgate |$(PREFIX)/bin/forkgate |' $(DESTDIR)/etc/apparmor.d/forkgate-gate
	install -d -m 755 $(etcdir) $(etcdir)/policy.d
	# The policy is the operator's: what is there stays, and the shipped one lies beside it to compare.
	for file in policy.d/*.hcl policy.d/*.example; do \
	  install -D -m 644 $$file $(docdir)/$$file && \
	  { test -e $(etcdir)/$$file || install -m 644 $$file $(etcdir)/$$file; } || exit 1; done
	@if [ -z "$(DESTDIR)" ] && [ -d /run/systemd/system ]; then \
	  systemd-sysusers $(libdir)/sysusers.d/forkgate.conf && systemd-tmpfiles --create $(libdir)/tmpfiles.d/forkgate.conf && \
	  { [ ! -e /sys/module/apparmor ] || apparmor_parser -r -T -W /etc/apparmor.d/forkgate-gate || true; } && \
	  systemctl daemon-reload && echo 'next: sysctl --system and forkgate pool init, then systemctl enable --now forkgate.target'; fi

# Whoever can start a pod stops first; what runs in pods hears of it, by forkgate-down and the warden; then pods stop, before the service of their
# networks: with its last pod that takes its rules away, and leaves those of pods that run. What one that was killed has left is deleted.
stop = systemctl stop 'forkgate-gate.*'; systemctl stop forkgate-down.service; systemctl stop 'forkgate-warden.*' forkgate-operator.socket; \
  systemctl stop 'forkgate-pod@*'; systemctl stop forkgate.target 'forkgate-net.*' 'forkgate-egress.*' 'forkgate-backup@*'

uninstall: ## remove what make install has installed; the policy and the data stay
	@! grep -qs '"way"' $(DESTDIR)/var/lib/forkgate/doors/ledger.json || { echo 'other doors of this host are closed, and would stay so: forkgate doors --undo, and then again' >&2; exit 1; }
	@if [ -z "$(DESTDIR)" ] && [ -d /run/systemd/system ]; then \
	  systemctl disable forkgate.target; $(stop); \
	  nft delete table inet forkgate 2>/dev/null || true; fi
	rm -f $(bindir)/forkgate $(DESTDIR)/etc/apparmor.d/forkgate-gate $(libdir)/sysusers.d/forkgate.conf $(libdir)/tmpfiles.d/forkgate.conf $(libdir)/sysctl.d/50-forkgate.conf
	rm -rf $(libdir)/forkgate $(docdir)
	rm -f $(sharedir)/man/man1/forkgate.1 $(sharedir)/man/man5/forkgate-policy.5
	[ ! -d $(sharedir)/man/man1 ] || find $(sharedir)/man/man1 -name 'forkgate-*.1' ! -name 'forkgate-attest*' -delete # those are of install-attest
	rm -f $(sharedir)/bash-completion/completions/forkgate $(sharedir)/zsh/vendor-completions/_forkgate $(sharedir)/fish/vendor_completions.d/forkgate.fish
	for unit in $(units); do rm -f $(libdir)/systemd/system/$$unit; done
	@if [ -z "$(DESTDIR)" ] && [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
	@echo 'left: /etc/forkgate, /var/lib/forkgate with the mounted pool and its unit var-lib-forkgate-pool.mount, and the users forkgate and rediacc;'
	@echo 'until the next boot also /run/forkgate, what pods were limited to, and the sysctls that were set'

install-attest: ## on a workstation: install the attestor that make build has built; DESTDIR and PREFIX as usual
	@test -x $(BIN)/forkgate-attest -a -d $(BIN)/docs/attest || { echo 'make install-attest: run make build first' >&2; exit 1; }
	install -D -m 755 $(BIN)/forkgate-attest $(bindir)/forkgate-attest
	for unit in forkgate-attest.service forkgate-attest.socket; do \
	  install -D -m 644 packaging/attest/$$unit $(libdir)/systemd/system/$$unit && \
	  sed -i 's|=/usr/bin/forkgate-attest |=$(PREFIX)/bin/forkgate-attest |' $(libdir)/systemd/system/$$unit || exit 1; done
	install -D -m 644 packaging/attest/sysctl.conf $(libdir)/sysctl.d/60-forkgate-attest.conf
	install -D -m 644 packaging/attest/attest.hcl.example $(attestdoc)/attest.hcl.example
	install -D -m 644 policy.d/agents.hcl $(attestdoc)/agents.hcl
	install -D -m 644 README.md $(attestdoc)/README.md
	install -D -m 644 -t $(attestdoc)/packaging/docs packaging/docs/*.md
	install -D -m 644 -t $(attestdoc)/packaging/docs/pictures packaging/docs/pictures/*.svg
	install -D -m 644 -t $(sharedir)/man/man1 $(BIN)/docs/attest/man1/*.1
	install -D -m 644 $(BIN)/docs/attest/completions/forkgate-attest $(sharedir)/bash-completion/completions/forkgate-attest
	install -D -m 644 $(BIN)/docs/attest/completions/_forkgate-attest $(sharedir)/zsh/vendor-completions/_forkgate-attest
	install -D -m 644 $(BIN)/docs/attest/completions/forkgate-attest.fish $(sharedir)/fish/vendor_completions.d/forkgate-attest.fish
	# Not where policy is read from: a host can be a workstation and a gate.
	install -d -m 755 $(DESTDIR)/etc/forkgate-attest
	test -e $(DESTDIR)/etc/forkgate-attest/agents.hcl || install -m 644 policy.d/agents.hcl $(DESTDIR)/etc/forkgate-attest/agents.hcl
	@if [ -z "$(DESTDIR)" ] && [ -d /run/systemd/system ]; then \
	  systemctl daemon-reload && echo 'next: forkgate-attest init, then write /etc/forkgate-attest/attest.hcl; see $(attestdoc)/attest.hcl.example'; fi

uninstall-attest: ## remove what make install-attest has installed; the key and the configuration stay
	@if [ -z "$(DESTDIR)" ] && [ -d /run/systemd/system ]; then \
	  systemctl disable --now forkgate-attest.socket forkgate-attest.service || true; fi
	rm -f $(bindir)/forkgate-attest $(libdir)/systemd/system/forkgate-attest.service $(libdir)/systemd/system/forkgate-attest.socket
	rm -f $(libdir)/sysctl.d/60-forkgate-attest.conf $(sharedir)/man/man1/forkgate-attest*.1
	rm -rf $(attestdoc)
	rm -f $(sharedir)/bash-completion/completions/forkgate-attest $(sharedir)/zsh/vendor-completions/_forkgate-attest $(sharedir)/fish/vendor_completions.d/forkgate-attest.fish
	@if [ -z "$(DESTDIR)" ] && [ -d /run/systemd/system ]; then systemctl daemon-reload; fi

test: test-race test-root test-hosts ## run all tests but test-vm, as root; installs what they need (Debian, Ubuntu). make -k goes on after one that fails

needs-test: needs-build build/rootfs.tar build/versitygw build/btrfs.tar
	@test "$$(id -u)" = 0 || { echo 'make test needs root; make test-quick does not' >&2; exit 1; }
	@packaging/needs test package

test-race: needs-test
	REQUIRE=all $(GO) test -race -timeout 10m -exec "$(ROOTEXEC)" $(RACE)

test-root: needs-test
	REQUIRE=all $(GO) test -p 2 -timeout 15m -exec "$(ROOTEXEC)" \
	  $$($(GO) list ./... | grep -vxF "$$($(GO) list $(RACE) ./tests/...)")

# tests/attest by itself: it sets what the whole machine has once.
test-hosts: needs-test
	REQUIRE=all $(GO) test -p 2 -timeout 30m -exec "$(ROOTEXEC)" $$($(GO) list ./tests/... | grep -vE '/tests/(vm|attest)$$')
	REQUIRE=all $(GO) test -timeout 30m -exec "$(ROOTEXEC)" ./tests/attest

# The tools inside the sessions of tests, benchmarks and the demo: built again when what it is made of changes.
build/rootfs.tar: fork/build.go | needs-build
	@test "$$(id -u)" = 0 || { echo 'building a rootfs needs root' >&2; exit 1; }
	@packaging/needs run
	@mkdir -p build; rm -f $@.part
	$(GO) run ./cmd/forkgate rootfs build --output $@.part
	mv $@.part $@

# A Debian 13 with its btrfs-progs, which know the simple quotas of pools: those of an older host check none.
build/btrfs.tar: | needs-build
	@test "$$(id -u)" = 0 || { echo 'building a rootfs needs root' >&2; exit 1; }
	@packaging/needs run
	@mkdir -p build; rm -f $@.part
	$(GO) run ./cmd/forkgate rootfs build --packages btrfs-progs --output $@.part
	mv $@.part $@

# A server that speaks S3, for the tests of backups: a module of its own, as it brings much along.
build/versitygw: tests/peers/s3/go.mod | needs-build
	@mkdir -p build
	$(GO) build -C tests/peers/s3 -o $(CURDIR)/$@ github.com/versity/versitygw/cmd/versitygw
	@touch $@

test-vm: needs-build build/rootfs.tar build/vm/root.ext4 ## boot a Debian 13 in qemu, without KVM, and see limits work with cgroup v2, and its pool's disk fail; as root
	@packaging/needs vm
	REQUIRE=all $(GO) test -v -count 1 -timeout 60m -exec "$(ROOTEXEC)" ./tests/vm

ARCHS ?= amd64 arm64

package: needs-build ## build the Debian packages of a host and of a workstation, into build/packages, for ARCHS (amd64 arm64)
	@packaging/needs package
	@rm -rf build/packages
	@for arch in $(ARCHS); do GO='$(GO)' packaging/package $$arch build/packages || exit 1; done

# The host that test-vm boots: built again when what it is made of changes.
build/vm/root.ext4: tests/vm/image | needs-build
	@test "$$(id -u)" = 0 || { echo 'building an image needs root' >&2; exit 1; }
	@packaging/needs vm
	GO='$(GO)' tests/vm/image build/vm

test-quick: ## run the tests that need neither root nor packages, in seconds
	$(GO) test ./...

# In the package's own directory go test shows what a test prints that passes: the matrix.
incident: needs-build build/rootfs.tar ## replay the incident: an agent with a shell and a token does its worst in its fork; as root
	@packaging/needs test
	REQUIRE=all $(GO) test -v -count=1 -timeout 5m -exec "$(ROOTEXEC)" -run 'TestAlone/alone.*/incident$$' ./tests/scripts

docs-test: needs-build build/rootfs.tar ## run every command that README and the documents in packaging/docs show, on a host that boots for it; as root
	@packaging/needs test package
	REQUIRE=all $(GO) test -count=1 -timeout 5m -exec "$(ROOTEXEC)" ./tests/docs

docs-pictures: ## draw the pictures in packaging/docs/pictures from their texts
	UPDATE=1 $(GO) test -count=1 -run 'TestPictures$$' ./tests/docs

release: needs-build ## make a release of VERSION=v1.2.3: changelog, packages with their sums, a tag
	@packaging/needs package
	@GO='$(GO)' packaging/release '$(VERSION)' $(ARCHS)

redteam: needs-build build/rootfs.tar ## attack an installed forkgate, as root, and print what came of each attempt
	@packaging/needs test
	cd tests/redteam && REQUIRE=all $(GO) test -count=1 -timeout 15m -exec "$(ROOTEXEC)"

FUZZTIME ?= 3s
fuzz: needs-build ## try what strangers may send: each fuzz target for FUZZTIME (3s)
	@git grep -o '^func Fuzz[A-Za-z]*' -- '*_test.go' | while IFS=: read -r file func; do \
	  printf '%s in %s\n' "$${func#func }" "$${file%/*}"; \
	  $(GO) test -run '^$$' -fuzz "^$${func#func }\$$" -fuzztime $(FUZZTIME) "./$${file%/*}" || exit 1; done

lint: ## gofmt, go vet, staticcheck
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "not gofmt'ed: $$unformatted" >&2; exit 1; }
	$(GO) vet ./...
	cd tests/peers/engines && $(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

vuln: ## look for known vulnerabilities in what is used (needs the network)
	$(GO) run $(GOVULNCHECK) ./...

player: ## get asciinema's player again from npm, and see that it is the one that is in the binary (needs the network)
	gate/page/assets/player/fetch

bench: needs-build build/rootfs.tar ## measure against sshd, dockerd, cp, and other engines of policy, as root
	@packaging/needs bench
	cd tests/peers/engines && $(GO) test -run '^$$' -bench . -benchtime 1x -timeout 30m
	REQUIRE=all $(GO) test -run '^$$' -bench . -benchtime 1x -timeout 90m -exec "$(ROOTEXEC)" ./tests/bench

demo: ## everything, in a throwaway copy of this machine, until Ctrl-C; as root
	@GO='$(GO)' packaging/demo/demo run

demo-up: ## the same, in the background
	@GO='$(GO)' packaging/demo/demo up

demo-down: ## end it
	@packaging/demo/demo down

clean: ## remove what was built
	rm -rf bin build
