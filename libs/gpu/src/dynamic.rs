//! Libraries found at run time.

use std::error::Error;
use std::path::{Path, PathBuf};

use libloading::Library;

/// The system's own words.
fn reason(error: &libloading::Error) -> String {
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

/// Opens the first of `names` that there is; otherwise says why the first one cannot be opened.
pub(crate) fn open(names: &[&str]) -> Result<Library, String> {
    let mut failures = names.iter().map(|name| {
        // SAFETY: loading runs the library's initialisers, which are made for that.
        unsafe { Library::new(*name) }.map_err(|error| reason(&error))
    });
    let first = failures.next().unwrap_or_else(|| Err("no name".into()));
    first.or_else(|why| failures.find_map(Result::ok).ok_or(why))
}

/// Loads `name` as the dynamic linker finds it, with all that it needs, and tells which file that is. The library stays
/// loaded.
///
/// # Errors
/// The linker's words.
pub fn locate(name: &str) -> Result<PathBuf, String> {
    std::mem::forget(open(&[name])?);
    let maps = std::fs::read_to_string("/proc/self/maps").map_err(|error| error.to_string())?;
    let stem = name.split(".so").next().unwrap_or(name);
    mapped(&maps, stem).ok_or_else(|| format!("{name} is loaded, but not mapped"))
}

/// The file in `maps` whose name is that of library `stem`, links resolved.
fn mapped(maps: &str, stem: &str) -> Option<PathBuf> {
    let files = maps.lines().filter_map(|line| line.find('/').map(|at| Path::new(&line[at..])));
    let is_it = |file: &&Path| {
        let name = file.file_name().map(|name| name.to_string_lossy());
        name.is_some_and(|name| name.strip_prefix(stem).is_some_and(|rest| rest.starts_with(".so")))
    };
    files.into_iter().find(is_it).map(Path::to_owned)
}

/// Finds a function.
///
/// # Safety
/// `F` must be the function's type.
pub(crate) unsafe fn symbol<F: Copy>(library: &Library, name: &str) -> Result<F, String> {
    // SAFETY: as the caller promises.
    let symbol = unsafe { library.get::<F>(name) };
    symbol.map(|symbol| *symbol).map_err(|error| reason(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        let missing = open(&["libgst-osha-missing.so.1", "libgst-osha-missing.so"]).unwrap_err();
        assert!(missing.contains("libgst-osha-missing.so.1"), "{missing}");
    }

    #[test]
    fn a_library_is_located_with_its_links_resolved() {
        assert!(locate("libc.so.6").unwrap().starts_with("/"));
        assert!(locate("libgst-osha-missing.so.1").unwrap_err().contains("libgst-osha-missing.so.1"));
        let maps = "1-2 r-xp 0 fe:00 1    /lib/libcudnn_ops.so.9\n1-2 r-xp 0 fe:00 1    /a b/libcudnn.so.9.1.0\n3-4 rw-p 0";
        assert_eq!(mapped(maps, "libcudnn"), Some(PathBuf::from("/a b/libcudnn.so.9.1.0")));
        assert_eq!(mapped(maps, "libcublas"), None);
    }

    #[test]
    fn functions_are_found_in_the_first_library_there_is() {
        let library = open(&["libgst-osha-missing.so", "libc.so.6"]).unwrap();
        // SAFETY: the type that the C standard gives it.
        let absolute = unsafe { symbol::<unsafe extern "C" fn(i32) -> i32>(&library, "abs") }.unwrap();
        // SAFETY: takes any number but the smallest.
        assert_eq!(unsafe { absolute(-3) }, 3);
        // SAFETY: there is no such function to be called.
        assert!(unsafe { symbol::<extern "C" fn()>(&library, "no_such_function") }.is_err());
    }
}
