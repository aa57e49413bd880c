#!/usr/bin/env bash
# Fuzzes each target for SECONDS (default 60), or the one that is named: `bash tests/fuzz/run.sh [SECONDS [TARGET]]`.
# Needs a stable Rust toolchain and a C++ compiler; `cargo fuzz run TARGET --fuzz-dir tests/fuzz` works too where it is installed.
set -e -u -o pipefail
cd "$(dirname "$0")"
seconds=${1:-60}
# The versions of the main package; only the fuzzer itself is added.
cp ../../Cargo.lock Cargo.lock
host=$(rustc -vV | sed -n 's/^host: //p')
# What cargo-fuzz passes, without the address sanitizer: there is no unsafe code here, and that one needs a nightly.
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
-Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Ccodegen-units=1"
cargo build --release --target "$host"
mkdir -p corpus
for file in targets/*.rs; do
  target=$(basename "$file" .rs)
  [ "${2:-$target}" = "$target" ] || continue
  echo "== $target"
  mkdir -p "corpus/$target" artifacts
  "target/$host/release/$target" -max_total_time="$seconds" -rss_limit_mb=1024 -timeout=10 -max_len=40000 \
    -artifact_prefix="artifacts/$target-" -print_final_stats=1 "corpus/$target" 2>&1 | tail -n 12
done
