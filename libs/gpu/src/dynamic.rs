//! Libraries found at run time.

use std::error::Error;

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
