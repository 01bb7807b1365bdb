//! Finding TensorRT's shared libraries and loading them. What is loaded stays until the process ends.
#![allow(unsafe_code)]

use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::sys::{self, CreateFunction, CreateParserFunction};
use super::{messages, unavailable};
use crate::library_file::LibraryName;
use crate::log::{self, Severity};
use crate::{EngineError, Options};

const FOLDER: &str = "/opt/tensorrt/lib";
const VARIABLES: &[&str] = &["GST_OSHA_TENSORRT"];
/// Builds engines and runs them.
const FULL: LibraryName = LibraryName { variables: VARIABLES, names: &["libnvinfer.so.11"], folder: FOLDER };
/// Runs version-compatible engines only.
const LEAN: LibraryName =
    LibraryName { variables: VARIABLES, names: &["libnvinfer_lean.so.11"], folder: FOLDER };
/// Reads ONNX files for the builder; lies beside the full library, or where the loader finds it.
const PARSER: &str = "libnvonnxparser.so.11";

/// A release of TensorRT: major, minor, patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32, pub u32);

impl Version {
    /// From the number that the library reports.
    fn of(number: i32) -> Self {
        let number = number.unsigned_abs();
        Self(number / 10_000, number / 100 % 100, number % 100)
    }

    /// The version that this crate is compiled for.
    pub fn of_headers() -> Self {
        Self::of(sys::osha_trt_headers_version())
    }

    /// Whether a library of this version has everything that is called: the interface grows with each minor version and
    /// is another one with each major version.
    fn serves(self, headers: Self) -> bool {
        self.0 == headers.0 && self.1 >= headers.1
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// The entry points of the builder.
#[derive(Clone, Copy, Debug)]
pub(super) struct BuilderFunctions {
    pub builder: CreateFunction,
    pub parser: CreateParserFunction,
}

/// A loaded library.
#[derive(Debug)]
pub struct Library {
    path: PathBuf,
    version: Version,
    pub(super) create_runtime: CreateFunction,
    /// Or why there is no builder.
    builder: Result<BuilderFunctions, String>,
    _handles: Vec<libloading::Library>,
}

impl Library {
    /// The file, with links resolved.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The version that it reports.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Whether it can build engines, or why not.
    pub fn can_build(&self) -> Result<(), &str> {
        self.builder.as_ref().map(|_| ()).map_err(String::as_str)
    }

    pub(super) fn builder(&self) -> Result<BuilderFunctions, &str> {
        self.builder.as_ref().map(|functions| *functions).map_err(String::as_str)
    }
}

/// Libraries by file.
static LOADED: Mutex<BTreeMap<PathBuf, Arc<Library>>> = Mutex::new(BTreeMap::new());

/// The library that `options` lead to, loaded on the first call. The driver must have been asked for before: without one
/// the library returns objects that cannot be used.
///
/// # Errors
/// When there is none, or none fits.
pub fn open(options: &Options) -> Result<Arc<Library>, EngineError> {
    let named = options.tensorrt.library.as_deref();
    let places = FULL.places(named, &options.folders);
    let candidates =
        [&FULL, &LEAN].into_iter().flat_map(|name| places.iter().flat_map(|place| name.files(place)));
    let mut first_error = None;
    for file in candidates {
        match load_once(&file) {
            Ok(library) => return Ok(library),
            Err(error) => {
                log::emit(Severity::Warning, &error.to_string());
                first_error.get_or_insert(error);
            }
        }
    }
    Err(first_error.unwrap_or_else(|| not_found(&places)))
}

fn not_found(places: &[PathBuf]) -> EngineError {
    let places: Vec<_> = places.iter().map(|place| place.display().to_string()).collect();
    unavailable(format!(
        "neither {} nor {} is installed; looked in {}. Install TensorRT 11, or name the file or its folder in \
         tensorrt-library",
        FULL.names[0],
        LEAN.names[0],
        places.join(", ")
    ))
}

fn load_once(file: &Path) -> Result<Arc<Library>, EngineError> {
    let path = file.canonicalize().map_err(|error| unusable(file, &error.to_string()))?;
    let mut loaded = crate::lock(&LOADED);
    if let Some(library) = loaded.get(&path) {
        return Ok(Arc::clone(library));
    }
    let library = Arc::new(load(&path).map_err(|reason| unusable(file, &reason))?);
    loaded.insert(path, Arc::clone(&library));
    Ok(library)
}

fn unusable(file: &Path, reason: &str) -> EngineError {
    unavailable(format!("{}: {reason}. Name another file in tensorrt-library", file.display()))
}

fn load(path: &Path) -> Result<Library, String> {
    let handle = open_file(path.as_os_str())?;
    // SAFETY: the signature in NvInferRuntimeBase.h.
    let version = unsafe { symbol::<unsafe extern "C" fn() -> i32>(&handle, "getInferLibVersion") }
        .map_err(|_| "it is no TensorRT library".to_owned())?;
    // SAFETY: takes nothing and returns a number.
    let (version, headers) = (Version::of(unsafe { version() }), Version::of_headers());
    if !version.serves(headers) {
        return Err(format!("it is TensorRT {version}; TensorRT {} from {headers} on is needed", headers.0));
    }
    // SAFETY: the signature in NvInferRuntime.h.
    let create_runtime = unsafe { symbol(&handle, "createInferRuntime_INTERNAL") }?;
    messages::listen();
    let (builder, parser) = match load_builder(&handle, path) {
        Ok((functions, parser)) => (Ok(functions), Some(parser)),
        Err(reason) => (Err(reason), None),
    };
    let handles = std::iter::once(handle).chain(parser).collect();
    Ok(Library { path: path.to_owned(), version, create_runtime, builder, _handles: handles })
}

/// The builder's functions of the library `handle`, and the parser's library that they need.
fn load_builder(
    handle: &libloading::Library,
    path: &Path,
) -> Result<(BuilderFunctions, libloading::Library), String> {
    let name = path.display();
    // SAFETY: the signature in NvInfer.h.
    let builder = unsafe { symbol(handle, "createInferBuilder_INTERNAL") }
        .map_err(|_| format!("{name} is the lean runtime, which runs engines but does not build them"))?;
    let beside = path.with_file_name(PARSER);
    let file = if beside.is_file() { beside.into_os_string() } else { PARSER.into() };
    let parser =
        open_file(&file).map_err(|reason| format!("the ONNX parser of {name} is missing: {reason}"))?;
    // SAFETY: the signature in NvOnnxParser.h.
    let create = unsafe { symbol(&parser, "createNvOnnxParser_INTERNAL") }?;
    Ok((BuilderFunctions { builder, parser: create }, parser))
}

/// The system's own words.
fn words(error: &libloading::Error) -> String {
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

fn open_file(file: &OsStr) -> Result<libloading::Library, String> {
    // SAFETY: loading runs the library's initialisers, which are made for that.
    unsafe { libloading::Library::new(file) }.map_err(|error| words(&error))
}

/// Finds a function.
///
/// # Safety
/// `F` must be the function's type.
unsafe fn symbol<F: Copy>(library: &libloading::Library, name: &str) -> Result<F, String> {
    // SAFETY: as the caller promises.
    unsafe { library.get::<F>(name) }.map(|symbol| *symbol).map_err(|error| words(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_minor_version_serves_and_an_older_does_not() {
        let headers = Version(11, 4, 0);
        assert!(Version(11, 4, 0).serves(headers) && Version(11, 5, 2).serves(headers));
        assert!(!Version(11, 3, 9).serves(headers) && !Version(10, 9, 0).serves(headers));
        assert!(!Version(12, 0, 0).serves(headers));
        assert_eq!(Version::of(110_406), Version(11, 4, 6));
        assert_eq!(Version::of_headers().0, 11);
    }
}
