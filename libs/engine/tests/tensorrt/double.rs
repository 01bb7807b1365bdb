//! Builds the doubles of `tests/tensorrt_double`, runs the tests with them in place, and tells them what to do.
#![allow(unsafe_code)]

#[path = "../tensorrt_double/compile.rs"]
mod compile;

use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use engine::cache::{Cache, Lookup};

/// Names the folder of the doubles for the process that runs with them.
const FOLDER: &str = "GST_OSHA_TENSORRT_DOUBLE";

/// What the variable `GST_OSHA_TENSORRT_TESTS` asks for.
fn is_asked_for(value: &str) -> bool {
    std::env::var_os("GST_OSHA_TENSORRT_TESTS").is_some_and(|asked| asked == value)
}

/// Whether this process runs with the doubles.
pub fn is_in_place() -> bool {
    std::env::var_os(FOLDER).is_some() && !is_unwanted()
}

/// Whether the tests are to run with the libraries of the machine instead.
pub fn is_unwanted() -> bool {
    is_asked_for("real")
}

/// Whether the double of TensorRT is to run on the machine's own driver and device.
pub fn is_on_device() -> bool {
    is_asked_for("gpu")
}

/// A folder that holds one flavour of the doubles: `full`, `rtx`, `lean`, `old` or `driver`.
pub fn folder(flavour: &str) -> PathBuf {
    Path::new(&std::env::var_os(FOLDER).unwrap()).join(flavour)
}

/// Builds the doubles and runs this program again with them in place. A folder named by the variable is taken as it is.
pub fn rerun() -> ExitCode {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tensorrt-double");
    build(&folder);
    let driver = (!is_on_device()).then(|| ("LD_LIBRARY_PATH", folder.join("driver").into()));
    compile::run_again(driver.into_iter().chain([(FOLDER, folder.into())]));
}

fn build(folder: &Path) {
    let engine = compile::engine_crate().unwrap();
    for flavour in ["include", "include_rtx", "driver", "full", "rtx", "lean", "old"] {
        std::fs::create_dir_all(folder.join(flavour)).unwrap();
    }
    for product in ["include", "include_rtx"] {
        headers(&engine.join("tensorrt").join(product), &folder.join(product));
    }
    compile::driver(&engine, &folder.join("driver"));
    let (driver, include) = (folder.join("driver/libcuda.so.1"), folder.join("include"));
    let compile = |source: &str, library: &str, flags: &[&str]| {
        let included = ["-isystem", include.to_str().unwrap()];
        compile::compile(&engine, source, &folder.join(library), &[flags, &included].concat());
    };
    let link = driver.to_str().unwrap();
    let nvinfer = |file: &str, flags: &[&str]| {
        compile("nvinfer.cpp", file, &[flags, &[link]].concat());
    };
    nvinfer("full/libnvinfer.so.11", &["-DDOUBLE_VERSION=110400"]);
    nvinfer("lean/libnvinfer_lean.so.11", &["-DDOUBLE_VERSION=110400", "-DDOUBLE_LEAN"]);
    nvinfer("old/libnvinfer.so.11", &["-DDOUBLE_VERSION=100900"]);
    compile("onnxparser.cpp", "full/libnvonnxparser.so.11", &[]);
    let include_rtx = folder.join("include_rtx");
    let rtx = ["-isystem", include_rtx.to_str().unwrap()];
    nvinfer("rtx/libtensorrt_rtx.so.1", &[&rtx[..], &["-DDOUBLE_VERSION=10701"]].concat());
    compile("onnxparser.cpp", "rtx/libtensorrt_onnxparser_rtx.so.1", &rtx);
}

/// TensorRT's headers, with a body for what is purely virtual: a double has only to do what is called. No table of
/// functions changes by that.
fn headers(original: &Path, folder: &Path) {
    let text = |name: &str| std::fs::read_to_string(original.join(name)).unwrap();
    for entry in original.read_dir().unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, folder.join(path.file_name().unwrap())).unwrap();
    }
    let runtime = text("NvInferRuntime.h");
    let start = runtime.find("class Weights\n{").unwrap();
    let end = start + runtime[start..].find("\n};\n").unwrap() + 4;
    let (weights, rest) = (&runtime[start..end], [&runtime[..start], &runtime[end..]].concat());
    // Bodies need the class before they come.
    let bodies = with_bodies(&text("NvInferImpl.h")).replacen(
        "namespace apiv",
        &format!("{weights}namespace apiv"),
        1,
    );
    std::fs::write(folder.join("NvInferRuntime.h"), rest).unwrap();
    std::fs::write(folder.join("NvInferImpl.h"), bodies).unwrap();
    std::fs::write(folder.join("NvOnnxParser.h"), with_bodies(&text("NvOnnxParser.h"))).unwrap();
}

fn with_bodies(header: &str) -> String {
    let mut parts = header.split("= 0;").peekable();
    let mut text = String::new();
    while let Some(part) = parts.next() {
        text.push_str(part);
        let declaration = part.rfind("virtual").map_or("", |at| &part[at..]);
        match parts.peek() {
            None => {}
            // Its type is not complete where it stands; no double needs it.
            Some(_) if declaration.contains("TimingCacheValue") => text.push_str("= 0;"),
            Some(_) => text.push_str("{ __builtin_trap(); }"),
        }
    }
    text
}

/// The one engine in the cache `folder`, as it was built.
pub fn cached(folder: &Path) -> Vec<u8> {
    let cache = Cache::open(Some(folder)).unwrap();
    let [entry] = &cache.entries().unwrap()[..] else { panic!("not one engine in {}", folder.display()) };
    match cache.lookup(&entry.header.as_ref().unwrap().key) {
        Lookup::Hit(engine) => engine,
        Lookup::Miss(miss) => panic!("{miss}"),
    }
}

/// A double's library, loaded already or loaded now.
pub struct Double(libloading::Library);

pub fn driver() -> Double {
    load("driver/libcuda.so.1")
}

pub fn builder() -> Double {
    load("full/libnvinfer.so.11")
}

fn load(file: &str) -> Double {
    // SAFETY: a library of ours.
    Double(unsafe { libloading::Library::new(folder(file)) }.unwrap())
}

impl Double {
    /// Tells it what to do from now on.
    pub fn set(&self, name: &str, value: u64) {
        let name = CString::new(name).unwrap();
        // SAFETY: the function's type, as the double declares it.
        unsafe {
            let set = self.0.get::<unsafe extern "C" fn(*const std::ffi::c_char, u64)>("double_set").unwrap();
            set(name.as_ptr(), value);
        }
    }

    /// What it counted.
    pub fn get(&self, name: &str) -> u64 {
        let name = CString::new(name).unwrap();
        // SAFETY: as above.
        unsafe {
            let get =
                self.0.get::<unsafe extern "C" fn(*const std::ffi::c_char) -> u64>("double_get").unwrap();
            get(name.as_ptr())
        }
    }
}

/// Everything as it is at first.
pub fn reset() {
    if !is_in_place() {
        return;
    }
    if !is_on_device() {
        let driver = driver();
        driver.set("total_bytes", 1 << 30);
        ["sticky", "refuse_recording"].iter().for_each(|name| driver.set(name, 0));
    }
    let builder = builder();
    ["build_step_ms", "fail_build", "fail_enqueue", "plan_version"]
        .iter()
        .for_each(|name| builder.set(name, 0));
    builder.set("build_steps", 3);
}
