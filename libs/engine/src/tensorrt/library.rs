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
/// The same, of TensorRT for RTX.
const RTX: LibraryName =
    LibraryName { variables: VARIABLES, names: &["libtensorrt_rtx.so.1"], folder: FOLDER };
/// Runs version-compatible engines only.
const LEAN: LibraryName =
    LibraryName { variables: VARIABLES, names: &["libnvinfer_lean.so.11"], folder: FOLDER };

/// A product of NVIDIA's: its classes, and with them the calls, are its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// For servers and Jetsons; be it the lean runtime.
    TensorRt,
    /// For the GPUs of workstations and laptops.
    Rtx,
}

impl Product {
    /// Whose library reports this version. They count from 10 and from 1.
    fn of(version: Version) -> Self {
        if version.0 == Version::of_headers(Self::Rtx).0 { Self::Rtx } else { Self::TensorRt }
    }

    fn shim(self) -> &'static sys::Shim {
        match self {
            Self::TensorRt => &sys::osha_tensorrt,
            Self::Rtx => &sys::osha_tensorrt_rtx,
        }
    }

    /// The library that reads ONNX files for the builder; lies beside the builder's, or where the loader finds it.
    fn parser(self) -> &'static str {
        match self {
            Self::TensorRt => "libnvonnxparser.so.11",
            Self::Rtx => "libtensorrt_onnxparser_rtx.so.1",
        }
    }
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TensorRt => "TensorRT",
            Self::Rtx => "TensorRT for RTX",
        })
    }
}

/// A release of TensorRT: major, minor, patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32, pub u32);

impl Version {
    /// From the number that the library reports.
    fn of(number: i32) -> Self {
        let number = number.unsigned_abs();
        Self(number / 10_000, number / 100 % 100, number % 100)
    }

    /// The version of `product` that this crate is compiled for.
    pub fn of_headers(product: Product) -> Self {
        Self::of(product.shim().headers_version)
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
    product: Product,
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

    /// Whose it is.
    pub fn product(&self) -> Product {
        self.product
    }

    /// The calls of its classes.
    pub(super) fn shim(&self) -> &'static sys::Shim {
        self.product.shim()
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
        [&FULL, &RTX, &LEAN].into_iter().flat_map(|name| places.iter().flat_map(|place| name.files(place)));
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
        "none of {}, {} and {} is installed; looked in {}. Install TensorRT 11, or name the file or its folder in \
         tensorrt-library",
        FULL.names[0],
        RTX.names[0],
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
    let version = Version::of(unsafe { version() });
    let product = Product::of(version);
    let headers = Version::of_headers(product);
    if !version.serves(headers) {
        return Err(format!(
            "it is {product} {version}; {product} {} from {headers} on is needed",
            headers.0
        ));
    }
    // SAFETY: the signature in NvInferRuntime.h.
    let create_runtime = unsafe { symbol(&handle, "createInferRuntime_INTERNAL") }?;
    messages::listen(product.shim());
    let (builder, parser) = match load_builder(&handle, path, product) {
        Ok((functions, parser)) => (Ok(functions), Some(parser)),
        Err(reason) => (Err(reason), None),
    };
    let handles = std::iter::once(handle).chain(parser).collect();
    Ok(Library { path: path.to_owned(), product, version, create_runtime, builder, _handles: handles })
}

/// The builder's functions of the library `handle`, and the parser's library that they need.
fn load_builder(
    handle: &libloading::Library,
    path: &Path,
    product: Product,
) -> Result<(BuilderFunctions, libloading::Library), String> {
    let (name, parser) = (path.display(), product.parser());
    // SAFETY: the signature in NvInfer.h.
    let builder = unsafe { symbol(handle, "createInferBuilder_INTERNAL") }
        .map_err(|_| format!("{name} is the lean runtime, which runs engines but does not build them"))?;
    let beside = path.with_file_name(parser);
    let file = if beside.is_file() { beside.into_os_string() } else { parser.into() };
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
        assert_eq!(Version::of_headers(Product::TensorRt).0, 11);
    }

    #[test]
    fn a_version_tells_the_product() {
        assert_eq!(Product::of(Version(1, 7, 1)), Product::Rtx);
        for version in [Version(11, 4, 0), Version(10, 9, 0), Version(0, 0, 0)] {
            assert_eq!(Product::of(version), Product::TensorRt);
        }
    }
}
