//! Libraries that the dynamic linker finds, or not.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::doctor::environment::Environment;

/// What was looked for, in the order of [`WANTED`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Libraries(pub Vec<Library>);

/// One library.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Library {
    /// What people call it.
    pub name: String,
    /// The file; `None` if there is none that loads.
    pub path: Option<PathBuf>,
    /// The linker's words for the first name.
    pub problem: Option<String>,
}

/// The library that GStreamer compiles its own kernels with, under the name by which GStreamer asks for it.
pub const NVRTC_OF_GSTREAMER: &str = "NVRTC as GStreamer asks for it";

/// What people call them, and their files, newest first.
const WANTED: [(&str, &[&str]); 6] = [
    ("cuDNN", &["libcudnn.so.9"]),
    ("cuBLAS", &["libcublas.so.13", "libcublas.so.12"]),
    ("NVRTC", &["libnvrtc.so.12", "libnvrtc.so.13", "libnvrtc.so.11.2"]),
    ("NVENC", &["libnvidia-encode.so.1"]),
    ("FAISS", &["libfaiss.so", "libfaiss_c.so"]),
    (NVRTC_OF_GSTREAMER, &["libnvrtc.so"]),
];

impl Libraries {
    /// The library that people call `name`.
    pub fn get(&self, name: &str) -> Option<&Library> {
        self.0.iter().find(|library| library.name == name)
    }
}

/// Loads each. One that crashes or hangs costs those after it: the driver's come last.
pub fn collect(environment: &Environment, report: &mut dyn FnMut(&Libraries)) {
    let named = environment.variable("GST_CUDA_NVRTC_LIBNAME");
    let mut found = Libraries::default();
    for (name, files) in WANTED {
        let library = match &named {
            Some(file) if name == NVRTC_OF_GSTREAMER => locate(name, &[file]),
            _ => locate(name, files),
        };
        found.0.push(library);
        report(&found);
    }
}

fn locate(name: &str, files: &[&str]) -> Library {
    let mut attempts = files.iter().map(|file| gpu::dynamic::locate(file));
    let first = attempts.next().unwrap_or_else(|| Err("no name".into()));
    let name = name.to_owned();
    match first {
        Ok(path) => Library { name, path: Some(path), problem: None },
        Err(problem) => Library { name, path: attempts.find_map(Result::ok), problem: Some(problem) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_name_does_and_the_first_one_tells_why_not() {
        let found = locate("C", &["libgst-osha-missing.so.7", "libc.so.6"]);
        assert!(found.path.is_some() && found.problem.unwrap().contains("libgst-osha-missing.so.7"));
        let missing = locate("nothing", &["libgst-osha-missing.so.7"]);
        assert!(missing.path.is_none() && missing.problem.unwrap().contains("libgst-osha-missing.so.7"));
    }
}
