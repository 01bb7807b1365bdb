//! Compiles the doubles that lie beside this file, for the tests that run with them.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The crate that the doubles belong to, seen from those whose tests use them. `None` where the sources are not at hand: the
/// program was taken to another machine.
pub fn engine_crate() -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let places = [own.to_owned(), own.join("../engine"), own.join("../libs/engine")];
    places.into_iter().find(|place| place.join("tests/tensorrt_double").is_dir())
}

/// Makes the double of the driver in `folder`.
pub fn driver(engine_crate: &Path, folder: &Path) {
    let kernels = folder.join("libkernels-double.so");
    let warnings = ["-Wno-unknown-pragmas", "-Wno-unused-function"];
    let named = "-Wl,-soname,libkernels-double.so";
    compile(engine_crate, "kernels.cpp", &kernels, &[&[named], &warnings[..]].concat());
    let linked = ["-Wl,-soname,libcuda.so.1", kernels.to_str().unwrap()];
    compile(engine_crate, "cuda.c", &folder.join("libcuda.so.1"), &linked);
}

/// Makes `library` of the file `source` of the doubles.
pub fn compile(engine_crate: &Path, source: &str, library: &Path, flags: &[&str]) {
    let source = engine_crate.join("tests/tensorrt_double").join(source);
    let (compiler, standard) = match source.extension() {
        Some(extension) if extension == "c" => ("cc", "-std=gnu11"),
        _ => ("c++", "-std=c++17"),
    };
    // Another run of the tests may use the old one: it is replaced, not written over.
    let fresh = library.with_extension(std::process::id().to_string());
    let done = Command::new(compiler)
        .args([standard, "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror"])
        .arg(&source)
        .arg("-o")
        .arg(&fresh)
        .args(flags)
        .status();
    assert!(done.unwrap().success(), "{} does not compile", source.display());
    std::fs::rename(fresh, library).unwrap();
}

/// Runs this program again with `variables` set: only at its start does a process look where its libraries lie.
pub fn run_again(variables: impl IntoIterator<Item = (&'static str, OsString)>) -> ! {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let error = command.args(std::env::args_os().skip(1)).envs(variables).exec();
    panic!("the tests cannot be started again: {error}");
}
