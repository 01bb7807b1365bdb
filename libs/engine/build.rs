//! Compiles the calls of TensorRT's C++ interface against the headers of each product; the libraries are loaded at run time.

fn main() {
    println!("cargo::rerun-if-changed=tensorrt");
    shim("osha_tensorrt", &["tensorrt/include"]).compile("osha_tensorrt");
    // Both have classes of the same names with other tables of functions: the linker must not take one for the other.
    shim("osha_tensorrt_rtx", &["tensorrt/include_rtx", "tensorrt/include"])
        .define("nvinfer1", "nvinfer1_rtx")
        .define("nvonnxparser", "nvonnxparser_rtx")
        .compile("osha_tensorrt_rtx");
}

/// The shim with its table called `name`, against the headers in `folders`.
fn shim(name: &str, folders: &[&str]) -> cc::Build {
    let mut build = cc::Build::new();
    build
        .cpp(true)
        .std("c++17")
        .file("tensorrt/shim.cpp")
        .define("OSHA_SHIM", name)
        .warnings_into_errors(true);
    for folder in folders {
        build.flag("-isystem").flag(folder);
    }
    build
}
