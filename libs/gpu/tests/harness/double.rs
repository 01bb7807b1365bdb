//! Runs tests with a double of the driver where the machine has none.

#[path = "../../../engine/tests/tensorrt_double/compile.rs"]
mod compile;

use std::path::Path;

/// Set in the process that runs with the double.
const IN_PLACE: &str = "GST_OSHA_DRIVER_DOUBLE";

/// Whether this process runs with the double.
pub fn is_in_place() -> bool {
    std::env::var_os(IN_PLACE).is_some()
}

/// Builds the double and runs this program again with it in place. Returns where the sources are not at hand: the program was taken to another machine.
pub fn rerun() {
    let Some(engine) = compile::engine_crate() else { return };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("driver-double");
    std::fs::create_dir_all(&folder).unwrap();
    compile::driver(&engine, &folder);
    compile::compile(&engine, "cuvid.c", &folder.join("libnvcuvid.so.1"), &["-Wl,-soname,libnvcuvid.so.1"]);
    // What GStreamer finds with the double is not there without.
    let registry = folder.join("registry.bin");
    compile::run_again([
        (IN_PLACE, "yes".into()),
        ("LD_LIBRARY_PATH", folder.into()),
        ("GST_REGISTRY", registry.into()),
    ]);
}
