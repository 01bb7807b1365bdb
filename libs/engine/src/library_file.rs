//! Where a runtime's shared library may lie.

use std::env::{consts::ARCH, split_paths, var_os};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// How a library is called and where it is usually installed.
pub(crate) struct LibraryName {
    /// Variables that name the file or its folder, in order of precedence.
    pub variables: &'static [&'static str],
    /// Names without further version, in order of preference. Behind the first one a further version may stand.
    pub names: &'static [&'static str],
    /// A folder of its own that its packages use.
    pub folder: &'static str,
}

impl LibraryName {
    /// Files and folders to look at, in order. What is named by hand (`named`, else a variable) is the only place then;
    /// otherwise `folders` come before the system's.
    pub fn places(&self, named: Option<&Path>, folders: &[PathBuf]) -> Vec<PathBuf> {
        let value = |name: &&str| var_os(name).filter(|value| !value.is_empty());
        let variable = || self.variables.iter().find_map(value).map(PathBuf::from);
        match named.map(Path::to_owned).or_else(variable) {
            Some(named) => vec![named],
            None => folders.iter().cloned().chain(self.system_folders()).collect(),
        }
    }

    fn system_folders(&self) -> impl Iterator<Item = PathBuf> {
        let path = var_os("LD_LIBRARY_PATH").unwrap_or_default();
        let by_hand: Vec<_> = split_paths(&path).filter(|folder| folder.is_absolute()).collect();
        let multiarch = format!("/usr/lib/{ARCH}-linux-gnu");
        let fixed = ["/usr/local/lib", &multiarch, "/usr/lib64", "/usr/lib", self.folder];
        by_hand.into_iter().chain(fixed.map(PathBuf::from))
    }

    /// The library files at `place`: itself if it is a file, else those in the folder, best first.
    pub fn files(&self, place: &Path) -> Vec<PathBuf> {
        if place.is_file() {
            return vec![place.to_owned()];
        }
        let plain = self.names.iter().map(|name| place.join(name)).filter(|file| file.is_file());
        plain.chain(self.versioned(place)).collect()
    }

    /// The first name with a further version, in `folder`, newest first.
    fn versioned(&self, folder: &Path) -> Vec<PathBuf> {
        let entries = folder.read_dir().into_iter().flatten().flatten();
        let mut found: Vec<_> =
            entries.filter_map(|entry| Some((self.version(&entry.file_name())?, entry.path()))).collect();
        found.sort_by(|a, b| b.cmp(a));
        found.into_iter().map(|(_, file)| file).collect()
    }

    /// The numbers behind the first name in a file's name.
    fn version(&self, name: &OsStr) -> Option<Vec<u32>> {
        let numbers = name.to_str()?.strip_prefix(self.names.first()?)?.strip_prefix('.')?;
        numbers.split('.').map(|number| number.parse().ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIBRARY: LibraryName =
        LibraryName { variables: &[], names: &["libx.so.1", "libx.so"], folder: "/opt/x/lib" };

    #[test]
    fn a_folder_offers_the_plain_names_before_versions_and_the_newest_version_first() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["libx.so.1.9.0", "libx.so.1.21", "libx.so.1", "libx.so"];
        for name in names.iter().chain(&["libx_providers_shared.so", "libx.so.1.x"]) {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let expected = [names[2], names[3], names[1], names[0]].map(|name| folder.path().join(name));
        assert_eq!(LIBRARY.files(folder.path()), expected);
    }

    #[test]
    fn what_is_named_by_hand_is_the_only_place() {
        let folders = [PathBuf::from("/a")];
        assert_eq!(LIBRARY.places(Some(Path::new("/named")), &folders), [PathBuf::from("/named")]);
        let places = LIBRARY.places(None, &folders);
        assert_eq!((places.first(), places.last()), (folders.first(), Some(&PathBuf::from("/opt/x/lib"))));
    }
}
