# Set-up and daily work. `make` builds, and prints what is missing; `make setup`, `make demo` and `make test` install it.
PRESET ?= release
JOBS   ?= $(shell nproc 2>/dev/null || echo 2)
PREFIX ?= /usr/local
FOR    ?= build
PYTHON  = build/venv/bin/python
# The tests share the processors: with threads of its own in each, torch waits for itself and takes twice the time.
# Of pytest's plug-ins those that are used: all that other packages bring take four seconds in each process. As under ctest,
# a test that waits for ten minutes has failed.
PYTEST  = OMP_NUM_THREADS=1 PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 $(PYTHON) -m pytest -p xdist -p pytest_timeout -q -n $(JOBS) \
    --dist worksteal --timeout 600
# Two tests more than processors: those of the server and of recordings that arrive at their pace wait half of the time.
CTEST   = ctest -j $$(($(JOBS) + 2)) --no-tests=error
SHELL   = /bin/bash

.PHONY: all build build-tests setup demo test test-c test-python compare compare-gpu compare-python bench asan tsan portable debug neon cortex gpu-test gpu-bench mutate coverage mutate-sources mutate-checkpoints mutate-tokenizers faults fail-calls fuzz fuzz-http load slurm-test ray-test random-graphs page serve site test-web wasm test-wasm check check-paths sbom format operators models digits tile-tables install example sdist wheel deb reproducible clean

all: build
	@if [ $(PRESET) = release ]; then ln -sf release/cli/sibyl build/sibyl; fi

build: need-build
	@test -f build/$(PRESET)/build.ninja || cmake --preset $(PRESET)
	@cmake --build --preset $(PRESET) -j $(JOBS)

# Installs what a kind of work needs: make setup FOR="test check" (the kinds are listed in tools/setup.sh), or FOR=all.
setup:
	@tools/setup.sh install $(FOR)

# Prints what a kind of work needs and lacks, and how to get it.
need-%:
	@tools/setup.sh check $*

# The main job, from a checkpoint to text: the model and the recording that the repository ships. A real Whisper works
# the same way.
demo:
	@tools/setup.sh install build
	@$(MAKE) --no-print-directory all
	@mkdir -p build/demo
	build/sibyl import assets/digits/digits.pt -o build/demo/digits.onnx --tokenizer assets/digits/digits.tiktoken
	build/sibyl transcribe assets/digits/sample.flac --model build/demo/digits.onnx --picture
	build/sibyl features assets/digits/sample.flac -o build/demo/sample.npy --png build/demo/sample.png

# The page and the server with it, and the model that the repository ships: open the address that it prints.
PORT ?= 8750
serve:
	@tools/setup.sh install build page
	@$(MAKE) --no-print-directory page
	@cmake --preset $(PRESET) -DSIBYL_PAGE=$(CURDIR)/build/page >/dev/null
	@$(MAKE) --no-print-directory all
	@exec build/$(PRESET)/cli/sibyl serve digits --port $(PORT)

# The page's files, in build/page; built again where a source is newer.
page: need-page build/page/index.html

build/page/index.html: $(shell find web/src web/public web/*.html web/*.json web/*.ts -type f)
	cd web && npm run --silent build

# The documents as a site, in build/site, with the reference of C in build/site/c; fails where a link leads nowhere.
site: need-check
	NO_MKDOCS_2_WARNING=1 build/venv/bin/mkdocs build
	doxygen docs/Doxyfile
	@cp build/site/c/files.html build/site/c/index.html

# Every test, of C and of Python; the last lines count the skipped cases and what they need.
test:
	@tools/setup.sh install python
	@$(MAKE) --no-print-directory -k test-c test-python; code=$$?; tools/skipped.sh $(PRESET); exit $$code

test-c: need-test
	@$(MAKE) --no-print-directory build-tests all
	$(CTEST) --preset $(PRESET)

# What the tests of a build need: of arm64 the kernels' tests, and random graphs, alone. A build folder configured before
# cmocka was installed has no tests: configure it again.
arm64_targets = $(if $(filter arm64,$(PRESET)),--target tests_base tests_kernel test_backend_cpu_attention \
	test_backend_cpu_recurrent test_backend_random_graphs)
build-tests:
	@test -f build/$(PRESET)/tests/CTestTestfile.cmake || cmake --preset $(PRESET)
	@cmake --build --preset $(PRESET) -j $(JOBS) $(arm64_targets)

test-python: need-python all
	@set -o pipefail; $(PYTEST) -rfEs python/tests | tee build/pytest.log

# The page in a browser, as a person uses it, against a server with the model that ships; pictures in build/web-pictures.
test-web: need-web page
	@cmake --preset $(PRESET) -DSIBYL_PAGE=$(CURDIR)/build/page >/dev/null
	@$(MAKE) --no-print-directory all
	cd web && SIBYL_COMMAND=$(CURDIR)/build/$(PRESET)/cli/sibyl npm run --silent test

# Models and features as a WebAssembly module, js/sibyl.wasm, for the package in js/.
wasm: need-wasm
	@test -f build/wasm/build.ninja || cmake --preset wasm
	@cmake --build --preset wasm -j $(JOBS)
	@mkdir -p js/licences
	@cp build/wasm/js/native/sibyl.wasm LICENSE js/
	@for folder in /usr/share/doc/wasi-libc /usr/share/doc/libclang-rt-*-dev-wasm32; do \
	  cp $$folder/copyright js/licences/$$(basename $$folder); done
	@node js/scripts/size.js

# The package under Node: features beside the native library's, sessions, official cases and real models.
test-wasm: wasm all
	cd js && SIBYL_COMMAND=$(CURDIR)/build/$(PRESET)/cli/sibyl npm test --silent

# Comparisons with other software, which `make setup FOR=peers` installs (some gigabytes).
compare: need-peers all
	@$(MAKE) --no-print-directory -k -j 2 compare-gpu compare-python

compare-gpu:
	ctest --preset $(PRESET) -R '^gpu_nvrtc$$' --no-tests=error

compare-python:
	SIBYL_PEERS=1 $(PYTEST) -rfE -m peers python/tests

bench: need-peers all
	SIBYL_PYTHON=$(CURDIR)/$(PYTHON) build/sibyl bench features --peers
	SIBYL_PYTHON=$(CURDIR)/$(PYTHON) build/sibyl bench conv1d --peers
	build/sibyl bench peak

# The same tests in other builds.
asan tsan debug: need-test
	@$(MAKE) --no-print-directory test-c PRESET=$@

# The tests that call kernels, at the CPU level of portable C.
portable: need-test
	@$(MAKE) --no-print-directory build-tests all
	$(CTEST) --preset portable

# The arm64 kernels, cross-compiled and run under qemu, and random graphs on them; the other tests of that build take
# minutes each: cmake --build --preset arm64, ctest --preset arm64-all -R NAME.
neon: need-arm64
	@$(MAKE) --no-print-directory build-tests PRESET=arm64
	SIBYL_QUICK=1 $(CTEST) --preset arm64

# The fixed-point kernel with every compiler and on every processor that it is for, bare Cortex-M4 and M33 among
# them: the same bits, and its memory.
cortex: need-cortex
	SIBYL_TARGETS=all tests/tile/targets.sh .
	tests/tile/memory.py src

# The GPU's kernels on Vulkan (lavapipe, where there is no other device), with its validation layer, 20,000 random graphs on
# the host's driver, and the official cases on both and on CUDA's driver, whose libraries tests/gpu/fake stands in for.
gpu-test: need-gpu build
	ctest --preset $(PRESET) -R '^gpu_' --no-tests=error
	SIBYL_RANDOM_BACKENDS=gpu-host,ref SIBYL_RANDOM_GRAPHS=20000 build/$(PRESET)/tests/backend/test_backend_random_graphs
	for backend in gpu-host vulkan; do sh tests/conform/official.sh build/$(PRESET)/cli/sibyl $$backend,ref || exit 1; done
	LD_LIBRARY_PATH=build/$(PRESET)/tests/gpu/fake sh tests/conform/official.sh build/$(PRESET)/cli/sibyl cuda,ref

# A GPU's rates, Whisper and layers of Llama on it (encoder, prompt, step of the decoder), what it does not take on cpu; the
# features, which are the processor's. BACKEND names the device: make gpu-bench BACKEND=cuda:1
BACKEND ?= vulkan
gpu-bench: build
	build/$(PRESET)/cli/sibyl devices --bench --only $(firstword $(subst :, ,$(BACKEND)))
	build/$(PRESET)/cli/sibyl bench whisper --backend $(BACKEND),cpu,ref --claims --error
	for size in "tiny" "small" "large-v3 --layers 4"; do \
	  build/$(PRESET)/cli/sibyl bench whisper --size $$size --dtype f16 --batch 16 --backend $(BACKEND),cpu,ref || exit 1; done
	build/$(PRESET)/cli/sibyl bench llama --backend $(BACKEND),cpu,ref
	build/$(PRESET)/cli/sibyl bench features

# 10,000 mutated models under the sanitizers: read, and then run to outputs; and mutated job documents.
mutate: need-test
	@test -f build/asan/build.ninja || cmake --preset asan
	@cmake --build --preset asan -j $(JOBS) --target test_onnx_mutate test_run_mutate test_job_document_mutate
	SIBYL_MUTATIONS=10000 build/asan/tests/onnx/test_onnx_mutate
	SIBYL_MUTATIONS=10000 build/asan/tests/run/test_run_mutate
	SIBYL_MUTATIONS=10000 SIBYL_SOURCE=. build/asan/tests/job/document/test_job_document_mutate

# Mutates the sources in COUNT places, drawn by SEED, of ROOMS (all of src/ with tests), and runs their tests: which notice?
COUNT ?= 500
SEED  ?= 1
mutate-sources: need-test
	tools/mutate.py --count $(COUNT) --seed $(SEED) --preset $(PRESET) --jobs $(JOBS) $(if $(ROOMS),--rooms $(ROOMS)) --json build/mutants.json

# Lines and branches of src/ that the C tests reach, by room (of ROOMS: base,tensor; all by default); fails below 92 % of lines or 82 % of
# branches. Not among the checks before a change lands: all of it takes an hour.
coverage: need-coverage
	tools/report_coverage.py --jobs $(JOBS) $(if $(ROOMS),--rooms $(ROOMS))

# Mutated checkpoints under the sanitizers: each reader for SECONDS. Failing files are kept in build/checkpoint.
SECONDS ?= 60
mutate-checkpoints: need-test
	@test -f build/asan/build.ninja || cmake --preset asan
	@cmake --build --preset asan -j $(JOBS) --target test_import_read_mutate
	SIBYL_MUTATION_SECONDS=$(SECONDS) SIBYL_MUTATION_SAVE=build/checkpoint build/asan/tests/import/read/test_import_read_mutate

# Mutated tokenizers under the sanitizers, SECONDS in total.
mutate-tokenizers: need-test
	@test -f build/asan/build.ninja || cmake --preset asan
	@cmake --build --preset asan -j $(JOBS) --target test_text_mutate
	SIBYL_MUTATION_SECONDS=$(SECONDS) build/asan/tests/text/test_text_mutate

# Faults put into models, 14 into each: does `sibyl diff` name the node from onnxruntime's values?
faults: need-peers build
	$(PYTHON) python/tests/model_faults.py --command build/$(PRESET)/cli/sibyl

# Every allocation, and every call for files, of the commands fails once, or ends the process.
fail-calls: need-test
	@$(MAKE) --no-print-directory build-tests
	SIBYL_FAULTS=all ctest --preset $(PRESET) -R '^faults_' --verbose --timeout 36000

# Every fuzz target (fuzz/), guided by coverage, under the sanitizers; TIME seconds for all together. What they find is kept
# in build/fuzz-findings. TARGETS="onnx job": these alone.
TIME ?= 600
fuzz: need-fuzz
	@test -f build/fuzz/build.ninja || cmake --preset fuzz
	@cmake --build --preset fuzz -j $(JOBS) --target fuzz_all
	fuzz/run.py --seconds $(TIME) --jobs $(JOBS) $(TARGETS); code=$$?; fuzz/run.py --rooms --jobs $(JOBS) $(TARGETS); exit $$code

# Mutated HTTP requests and WebSocket frames at a server under the sanitizers, for TIME seconds. What ends it is kept in
# build/fuzz-http.
fuzz-http: need-test
	@test -f build/asan/build.ninja || cmake --preset asan
	@cmake --build --preset asan -j $(JOBS) --target sibyl_command
	SIBYL_SOURCE=. SIBYL_COMMAND=build/asan/cli/sibyl tests/server/fuzz_http.py --seconds $(TIME)

# A server under load for SECONDS: 32 clients that transcribe, 64 that watch runs, and some that misbehave.
load: build
	SIBYL_SOURCE=. SIBYL_COMMAND=build/$(PRESET)/cli/sibyl tests/server/load.py --seconds $(SECONDS)
	SIBYL_SOURCE=. SIBYL_COMMAND=build/$(PRESET)/cli/sibyl python3 -B tests/server/tokens.py

# The array of packaging/slurm on a real Slurm: a controller and two daemons on this machine, a task killed and requeued.
DATA = $(or $(SIBYL_DATA),../shared/data)
slurm-test: need-slurm build
	python3 -B tests/cluster/slurm.py build/$(PRESET)/cli/sibyl $(DATA)/fsdd

# sibyl.ray on a cluster of Ray's with three nodes on this machine, of which one is killed.
ray-test: need-ray all
	SIBYL_RAY=1 $(PYTHON) -m pytest -q -rfEs python/tests/test_ray.py

# 20,000 random graphs, and every operator case mutated, on ref and on the fast backends.
random-graphs: build
	SIBYL_RANDOM_GRAPHS=20000 SIBYL_RANDOM_SAVE=build/random build/$(PRESET)/tests/backend/test_backend_random_graphs
	SIBYL_RANDOM_SAVE=build/random build/$(PRESET)/tests/backend/test_backend_random_graphs --every 1 tests/ops/*.cases

check: need-check all
	tools/check-format.sh
	tools/check-includes.py
	tools/check-links.py build/$(PRESET)
	tools/check-headers.sh
	$(PYTHON) tools/check-types.py
	@$(MAKE) --no-print-directory site
	tools/analyse.py build/$(PRESET)

# clang's path checks as far as clang goes by itself (20 minutes).
check-paths: need-check all
	tools/analyse.py --nodes 225000 build/$(PRESET)

format: need-check
	clang-format -i $$(tools/sources.sh)

# The libraries and packages of this build, as CycloneDX.
sbom: need-build build
	tools/sbom.py build/$(PRESET) -o build/sbom.json

# Generates docs/operators.md from the lists of operators and the results of the cases.
operators: build
	tools/operators.py --build build/$(PRESET) --jobs $(JOBS)

# Measures imported models beside the originals, for the table of docs/models.md.
models: need-peers all
	@rm -f build/models.jsonl
	SIBYL_PEERS=1 SIBYL_MODELS=$(CURDIR)/build/models.jsonl $(PYTEST) python/tests/test_import.py python/tests/test_import_encoders.py python/tests/test_import_speech.py python/tests/test_speak.py
	tools/models.py build/models.jsonl

# Generates the constants of the fixed-point kernel.
tile-tables: need-test build
	@cmake --build --preset $(PRESET) -j $(JOBS) --target tile_tables
	tests/tile/tables.sh build/$(PRESET)/tests/tile/tile_tables src/tile write

# Trains the model that ships (under two hours on two cores; a second call resumes), and prints its figures. Needs the
# Free Spoken Digit Dataset: see assets/digits/README.md.
digits: need-train
	$(PYTHON) tools/train_digits.py train
	$(PYTHON) tools/train_digits.py evaluate

install: build
	cmake --install build/$(PRESET) --prefix $(PREFIX)

# An installed tree, and a program built against it in two ways.
example: need-test build
	tests/install/run.sh build/$(PRESET)

# Packages: the sources for pip, and for people to install a wheel with the libraries in it (build/wheel) and Debian packages
# (build/deb). `packaging/wheel/try.sh` and `packaging/debian/try.sh` install, use and remove them in a fresh Debian.
need_packages = tools/setup.sh install packages page && $(MAKE) --no-print-directory page

sdist:
	@tools/setup.sh install packages
	$(PYTHON) -m build --sdist --no-isolation -o build/wheel .

wheel:
	@$(need_packages)
	PATH=$(CURDIR)/build/venv/bin:$$PATH packaging/wheel/ffmpeg.sh build/wheel/ffmpeg
	PATH=$(CURDIR)/build/venv/bin:$$PATH $(PYTHON) packaging/wheel/build.py build/wheel/ffmpeg SIBYL_PAGE=$(CURDIR)/build/page

deb:
	@$(need_packages)
	packaging/debian/build.sh $(CURDIR)/build/page

# Two builds of the last commit in different folders, compared byte by byte: an hour of a processor, half with DEFINES=-DSIBYL_SIMD=OFF.
reproducible: need-python
	tools/reproducible.sh $(JOBS) $(DEFINES)

clean:
	rm -rf build
