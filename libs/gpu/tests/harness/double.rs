//! Runs tests with a double of the driver where the machine has none.

#[path = "../../../engine/tests/tensorrt_double/compile.rs"]
mod compile;

use std::os::unix::process::CommandExt;
use std::path::Path;
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
    let Some(engine) = compile::engine_crate() else { return };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("driver-double");
    std::fs::create_dir_all(&folder).unwrap();
    compile::driver(&engine, &folder);
    compile::compile(&engine, "cuvid.c", &folder.join("libnvcuvid.so.1"), &["-Wl,-soname,libnvcuvid.so.1"]);
    let error = Command::new(std::env::current_exe().unwrap())
        .args(std::env::args_os().skip(1))
        .env(IN_PLACE, "yes")
        .env("LD_LIBRARY_PATH", &folder)
        // What GStreamer finds with the double is not there without.
        .env("GST_REGISTRY", folder.join("registry.bin"))
        .exec();
    panic!("the tests cannot be started again: {error}");
}
