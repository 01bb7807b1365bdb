# make demo      from a video file to cited violations
# make test      every test
# make test-gpu  what needs an NVIDIA GPU, on a machine that has one
# make test-tensorrt  what needs TensorRT, or a GPU and its double, on a machine that has them
# make fuzz      reads broken files for SECONDS of CPU time each
# make build     plugins into build/plugins, the command line into build/bin
.PHONY: demo test fuzz test-gpu test-tensorrt build bench bootstrap lint clean
.DEFAULT_GOAL := build

PLUGINS := zcbufferpool trtinfer oshaannotate zcopies
# What GStreamer 1.26 adds is used where it is installed.
FEATURES = $$(pkg-config --atleast-version=1.26 gstreamer-1.0 && echo --features gst-osha-tests/v1_26)
export GST_PLUGIN_PATH := $(CURDIR)/build/plugins
CARGO_TARGET := $(or $(CARGO_TARGET_DIR),target)

bootstrap:
	@scripts/bootstrap

build: bootstrap
	cargo build --profile dist --locked --workspace --exclude gst-osha-examples $(FEATURES)
	@mkdir -p build/plugins build/bin
	@for plugin in $(PLUGINS); do install -C $(CARGO_TARGET)/dist/libgst$$plugin.so build/plugins/; done
	@install -C $(CARGO_TARGET)/dist/gst-osha build/bin/

demo: build
	@scripts/demo

test: build
	cargo test --release --locked --workspace $(FEATURES)

test-gpu: build
	scripts/gpu-test

test-tensorrt:
	for libraries in real gpu; do \
		GST_OSHA_TENSORRT_TESTS=$$libraries cargo test --release --locked -p gst-osha-engine -p gst-osha-tests \
			--test tensorrt || exit; \
	done

fuzz: SECONDS := 600
fuzz: SEED := 1
fuzz: bootstrap
	OSHA_FUZZ_SECONDS=$(SECONDS) OSHA_FUZZ_SEED=$(SEED) \
		cargo test --release --locked -p gst-osha-tests --test fuzz -- --nocapture --skip what_panics

bench: build
	build/bin/gst-osha bench

lint: bootstrap
	cargo fmt --all --check
	cargo clippy --release --locked --workspace --all-targets $(FEATURES) -- -D warnings
	scripts/check-arrows

clean:
	rm -rf build out target
