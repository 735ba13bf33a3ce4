# The few commands a person types; meson does the work. `make help` lists them.
BUILD ?= build
PREFIX ?= /usr
MESON_FLAGS ?=

.PHONY: all help deps demo demo-stop check soak bench install sanitize fuzz format clean

all: $(BUILD)/build.ninja ## build everything
	@ninja -C $(BUILD) -n | grep -qx 'ninja: no work to do.' || ninja -C $(BUILD) $(if $(V),,--quiet)

help: ## show this
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 24

deps: ## install the Debian packages that building needs
	@tools/deps build

$(BUILD)/build.ninja: meson.build | deps
	@echo "building into $(BUILD)/: a minute or two the first time"
	@mkdir -p $(BUILD)
	@meson setup $(BUILD) --prefix $(PREFIX) $(MESON_FLAGS) >$(BUILD)/setup.log || { cat $(BUILD)/setup.log; exit 1; }

demo: ## set everything up and show the main job
	@tools/deps demo
	@$(MAKE) --no-print-directory all
	@tools/demo start

demo-stop: ## stop what the demo left running
	@tools/demo stop

check: ## set everything up and run all tests
	@tools/deps check
	@$(MAKE) --no-print-directory all
	@tools/check

soak: ## the repeated tests with their full counts, ten idle minutes
	@tools/deps check
	@tools/deps bench
	@$(MAKE) --no-print-directory all
	@KEDGE_SOAK=1 tools/check
	@KEDGE_SOAK=1 bench/run --strict idle_writes

bench: ## measure against peers: a table, and build/bench.json
	@tools/deps bench
	@$(MAKE) --no-print-directory all MESON_FLAGS="$(MESON_FLAGS)"
	@bench/run

install: all ## install below DESTDIR
	@DESTDIR=$(DESTDIR) meson install -C $(BUILD) --no-rebuild

sanitize: ## build with ASan and UBSan into build-sanitize
	@$(MAKE) --no-print-directory all BUILD=build-sanitize MESON_FLAGS="-Db_sanitize=address,undefined -Db_lundef=false -Dweb=disabled"

format: ## clang-format all sources
	@find src tests -name '*.[ch]' -print0 | xargs -0 clang-format -i

clean: ## remove what was built
	rm -rf build build-sanitize
