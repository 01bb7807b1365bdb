//! Finding ONNX Runtime's shared library and loading it, once for each process.

use std::ffi::CStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use ort::LoadDynamicError;
use ort::environment::{Environment, EnvironmentBuilder};
use ort::logging::LogLevel;

use crate::library_file::LibraryName;
use crate::log::{self, Severity};
use crate::{EngineError, Options};

/// Its name and where it lies.
const LIBRARY: LibraryName = LibraryName {
    variables: &["GST_OSHA_ONNXRUNTIME", "ORT_DYLIB_PATH"],
    names: &["libonnxruntime.so.1", "libonnxruntime.so"],
    folder: "/opt/onnxruntime/lib",
};

/// The library in use. ONNX Runtime keeps global state, so it stays loaded until the process ends.
static LOADED: Mutex<Option<Arc<Library>>> = Mutex::new(None);

/// The loaded library.
#[derive(Debug)]
pub struct Library {
    path: PathBuf,
    environment: Environment,
}

impl Library {
    /// The file, with links resolved.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The version that the file's name tells (`1.32.0`), or the whole path if it tells none.
    pub fn version(&self) -> String {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let version = name.strip_prefix("libonnxruntime.so.").map(str::to_owned);
        version.unwrap_or_else(|| self.path.display().to_string())
    }

    /// Execution providers that it was built with, in its order of preference, such as `CUDAExecutionProvider`. Whether
    /// their own libraries load is another question.
    ///
    /// # Errors
    /// What ONNX Runtime says.
    pub fn providers(&self) -> Result<Vec<String>, EngineError> {
        providers().map_err(|reason| EngineError::LibraryUnusable { path: self.path.clone(), reason })
    }

    /// What sessions are made in.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }
}

/// The library that `options` lead to, loaded on the first call. Later calls get the same one.
///
/// # Errors
/// When there is none, none loads, or `options` name another file than the one in use.
pub fn open(options: &Options) -> Result<Arc<Library>, EngineError> {
    let mut loaded = crate::lock(&LOADED);
    if let Some(library) = &*loaded {
        return agree(library, options).map(|()| Arc::clone(library));
    }
    let library = Arc::new(load_first(&LIBRARY.places(options.library.as_deref(), &options.folders))?);
    *loaded = Some(Arc::clone(&library));
    Ok(library)
}

/// Whether the library in use is the one that `options` name, if they name any.
fn agree(library: &Library, options: &Options) -> Result<(), EngineError> {
    let Some(asked) = &options.library else {
        return Ok(());
    };
    let files: Vec<_> = LIBRARY.files(asked).iter().filter_map(|file| file.canonicalize().ok()).collect();
    match files.first() {
        None => Err(EngineError::LibraryNotFound { searched: vec![asked.clone()] }),
        Some(_) if files.contains(&library.path) => Ok(()),
        Some(_) => Err(EngineError::LibraryConflict { loaded: library.path.clone(), asked: asked.clone() }),
    }
}

/// Loads the first file that is a fitting library. If none is, the first one's error tells.
fn load_first(places: &[PathBuf]) -> Result<Library, EngineError> {
    let mut first_error = None;
    for file in places.iter().flat_map(|place| LIBRARY.files(place)) {
        match load(&file) {
            Ok(library) => return Ok(library),
            Err(error) => {
                log::emit(Severity::Warning, &error.to_string());
                first_error.get_or_insert(error);
            }
        }
    }
    Err(first_error.unwrap_or_else(|| EngineError::LibraryNotFound { searched: places.to_vec() }))
}

fn load(file: &Path) -> Result<Library, EngineError> {
    let unusable = |reason: String| EngineError::LibraryUnusable { path: file.to_owned(), reason };
    let path = file.canonicalize().map_err(|error| unusable(error.to_string()))?;
    let builder = ort::init_from(&path).map_err(|error| match error {
        LoadDynamicError::BadVersion { version_str, path } => {
            EngineError::LibraryTooOld { path, version: version_str }
        }
        LoadDynamicError::Dlopen { error, .. } => unusable(error.to_string()),
        other => unusable(other.to_string()),
    })?;
    let environment = environment(builder).map_err(|error| unusable(error.to_string()))?;
    Ok(Library { path, environment })
}

#[allow(unsafe_code)]
fn providers() -> Result<Vec<String>, String> {
    let (mut names, mut count) = (std::ptr::null_mut(), 0);
    // SAFETY: writes an array of `count` terminated strings.
    let status = unsafe { (ort::api().GetAvailableProviders)(&mut names, &mut count) };
    // SAFETY: the status of the call above.
    unsafe { ort::Error::result_from_status(status) }.map_err(|error| error.to_string())?;
    let text = |index| {
        // SAFETY: one of the strings; they live until they are released below.
        unsafe { CStr::from_ptr(*names.add(index)) }.to_string_lossy().into_owned()
    };
    let found = (0..usize::try_from(count).unwrap_or(0)).map(text).collect();
    // SAFETY: what the call above gave, given back once.
    let status = unsafe { (ort::api().ReleaseAvailableProviders)(names, count) };
    // SAFETY: the status of the call above.
    unsafe { ort::Error::result_from_status(status) }.map_err(|error| error.to_string())?;
    Ok(found)
}

fn environment(builder: EnvironmentBuilder) -> Result<Environment, ort::Error> {
    opt_out_of_telemetry();
    let environment = builder
        .with_name("gst-osha")
        .with_telemetry(false)
        .with_logger(Arc::new(|level, _, _, _, message| log::emit(severity(level), message)))
        .build()?;
    environment.set_log_level(LogLevel::Warning);
    Ok(environment)
}

/// From 1.29 on, Microsoft's builds write a device identifier and report the process while the environment is being
/// created, before their API can be told not to. This variable is the only switch that comes early enough.
fn opt_out_of_telemetry() {
    const SWITCH: &str = "ORT_DISABLE_TELEMETRY";
    if std::env::var_os(SWITCH).is_none_or(|value| value != "1") {
        #[allow(unsafe_code)]
        // SAFETY: Rust's readers and writers of the environment lock each other out. C code in another thread may read
        // it meanwhile: glibc keeps the table that the process started with when it grows it for the first time, and
        // from 2.41 on every table. This happens at most once in a process, before its first inference.
        unsafe {
            std::env::set_var(SWITCH, "1");
        }
    }
}

fn severity(level: LogLevel) -> Severity {
    match level {
        LogLevel::Verbose | LogLevel::Info => Severity::Info,
        LogLevel::Warning => Severity::Warning,
        LogLevel::Error | LogLevel::Fatal => Severity::Error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_place_is_listed_in_the_error() {
        let folder = tempfile::tempdir().unwrap();
        let places = vec![folder.path().to_owned()];
        assert_eq!(load_first(&places).unwrap_err(), EngineError::LibraryNotFound { searched: places });
    }

    #[test]
    fn a_text_file_is_no_library() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("libonnxruntime.so.1");
        std::fs::write(&file, "no library").unwrap();
        let error = load_first(&[folder.path().to_owned()]).unwrap_err();
        assert!(matches!(&error, EngineError::LibraryUnusable { path, .. } if *path == file), "{error}");
    }

    #[test]
    fn a_library_of_something_else_is_unusable() {
        let libc = std::fs::read_to_string("/proc/self/maps").unwrap();
        let libc = libc
            .lines()
            .find_map(|line| line.find('/').map(|at| &line[at..]).filter(|p| p.contains("/libc.so")));
        let error = load_first(&[PathBuf::from(libc.unwrap())]).unwrap_err();
        assert!(error.to_string().contains("OrtGetApiBase"), "{error}");
    }

    #[test]
    fn a_library_that_reports_an_old_version_is_too_old() {
        let folder = tempfile::tempdir().unwrap();
        let (source, library) = (folder.path().join("old.c"), folder.path().join("libonnxruntime.so.1"));
        let code = "static const char *version(void) { return \"1.16.3\"; }\n\
            struct { void *api; const char *(*version)(void); } base = { 0, version };\n\
            void *OrtGetApiBase(void) { return &base; }\n";
        std::fs::write(&source, code).unwrap();
        let cc = std::process::Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .arg(&library)
            .arg(&source)
            .status();
        assert!(cc.unwrap().success(), "the linker that Rust itself needs is missing");
        let path = library.canonicalize().unwrap();
        let error = load_first(&[library]).unwrap_err();
        assert_eq!(error, EngineError::LibraryTooOld { path, version: "1.16.3".to_owned() });
    }
}
