//! Where the plugins lie when nobody says: beside the program, or in the build folder that it lies in.

use std::path::PathBuf;

use anyhow::Result;

/// Folders that may hold the plugins, and ONNX Runtime beside them.
pub fn folders() -> Vec<PathBuf> {
    let named = std::env::var_os("GST_PLUGIN_PATH");
    let mut folders: Vec<PathBuf> = named.iter().flat_map(std::env::split_paths).collect();
    if let Some(own) = engine::own_folder() {
        folders.push(own.join("../plugins"));
        folders.push(own);
    }
    folders
}

/// Starts GStreamer with the plugins of this build.
///
/// # Errors
/// When GStreamer cannot start.
pub fn init() -> Result<()> {
    gst::init()?;
    if gst::ElementFactory::find("trtinfer").is_none() {
        let registry = gst::Registry::get();
        folders().iter().filter(|folder| folder.is_dir()).for_each(|folder| {
            registry.scan_path(folder);
        });
    }
    Ok(())
}
