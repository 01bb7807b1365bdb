//! Compiles the calls of TensorRT's C++ interface against its headers; the library itself is loaded at run time.

fn main() {
    println!("cargo::rerun-if-changed=tensorrt");
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .file("tensorrt/shim.cpp")
        .flag("-isystem")
        .flag("tensorrt/include")
        .warnings_into_errors(true)
        .compile("osha_tensorrt");
}
