//! Runs tests with a double of the driver where the machine has none.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Set in the process that runs with the double.
const IN_PLACE: &str = "GST_OSHA_DRIVER_DOUBLE";

/// Whether this process runs with the double.
pub fn is_in_place() -> bool {
    std::env::var_os(IN_PLACE).is_some()
}

/// Builds the double and runs this program again with it in place: only at its start does a process look where its libraries
/// lie. Returns where the sources are not at hand: the program was taken to another machine.
pub fn rerun() {
    let Some(sources) = sources() else { return };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("driver-double");
    std::fs::create_dir_all(&folder).unwrap();
    let kernels = folder.join("libkernels-double.so");
    compile("c++", &sources.join("kernels.cpp"), &kernels, &[]);
    compile("cc", &sources.join("cuda.c"), &folder.join("libcuda.so.1"), &[kernels.to_str().unwrap()]);
    compile("cc", &sources.join("cuvid.c"), &folder.join("libnvcuvid.so.1"), &[]);
    let error = Command::new(std::env::current_exe().unwrap())
        .args(std::env::args_os().skip(1))
        .env(IN_PLACE, "yes")
        .env("LD_LIBRARY_PATH", &folder)
        // What GStreamer finds with the double is not there without.
        .env("GST_REGISTRY", folder.join("registry.bin"))
        .exec();
    panic!("the tests cannot be started again: {error}");
}

/// Where the double's sources lie, seen from the crates whose tests use it.
fn sources() -> Option<PathBuf> {
    let places =
        ["../engine", "../libs/engine"].map(|place| Path::new(env!("CARGO_MANIFEST_DIR")).join(place));
    places.map(|place| place.join("tests/tensorrt_double")).into_iter().find(|place| place.is_dir())
}

fn compile(compiler: &str, source: &Path, library: &Path, flags: &[&str]) {
    // Another test program may use the old one: it is replaced, not written over.
    let fresh = library.with_extension(std::process::id().to_string());
    let name = library.file_name().unwrap().to_string_lossy();
    let done = Command::new(compiler)
        .args(["-shared", "-fPIC", "-O1", "-Wno-unknown-pragmas", &format!("-Wl,-soname,{name}")])
        .arg(source)
        .arg("-o")
        .arg(&fresh)
        .args(flags)
        .status();
    assert!(done.unwrap().success(), "{} does not compile", source.display());
    std::fs::rename(fresh, library).unwrap();
}
