//! What a probe may look at: files and variables. Tests put a folder and a map in their place.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The system that is examined.
#[derive(Clone, Debug)]
pub struct Environment {
    /// What absolute paths start from.
    root: PathBuf,
    variables: BTreeMap<OsString, OsString>,
}

impl Environment {
    /// This machine and this process.
    pub fn here() -> Self {
        Self { root: PathBuf::from("/"), variables: std::env::vars_os().collect() }
    }

    /// Where the absolute `path` really lies.
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.join(path.as_ref().strip_prefix("/").unwrap_or(path.as_ref()))
    }

    /// The text of a file, if it can be read. NUL, which ends strings of the device tree, is cut off.
    pub fn read(&self, path: impl AsRef<Path>) -> Option<String> {
        let text = std::fs::read(self.path(path)).ok()?;
        Some(String::from_utf8_lossy(&text).trim_end_matches('\0').to_owned())
    }

    /// The names in a folder, sorted; none if it cannot be read.
    pub fn list(&self, path: impl AsRef<Path>) -> Vec<String> {
        let entries = self.path(path).read_dir().into_iter().flatten().flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// The folder for files that can be made anew.
    pub fn cache(&self) -> Option<PathBuf> {
        let named = self.variable("XDG_CACHE_HOME").map(PathBuf::from);
        named.or_else(|| Some(Path::new(&self.variable("HOME")?).join(".cache")))
    }

    /// A variable that is set and not empty.
    pub fn variable(&self, name: &str) -> Option<String> {
        self.raw_variable(name).filter(|value| !value.is_empty())
    }

    /// A variable that is set, be it to nothing: `CUDA_VISIBLE_DEVICES=` hides every device.
    pub fn raw_variable(&self, name: &str) -> Option<String> {
        self.variables.get(std::ffi::OsStr::new(name)).map(|value| value.to_string_lossy().into_owned())
    }
}

#[cfg(test)]
impl Environment {
    /// A system that consists of `files` below `root` and of `variables`.
    pub fn fake(root: &Path, files: &[(&str, &str)], variables: &[(&str, &str)]) -> Self {
        for (path, text) in files {
            let path = root.join(path.trim_start_matches('/'));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { root: root.to_owned(), variables }
    }
}
