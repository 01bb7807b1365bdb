//! Pictures of figures, as PNG or SVG.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::register_font;

/// The font of all text.
pub const FONT: &str = "Inter";

/// Colours that colour-blind people can tell apart (Okabe and Ito); then they repeat.
pub const SERIES: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(213, 94, 0),
    RGBColor(86, 180, 233),
    RGBColor(204, 121, 167),
    RGBColor(120, 120, 120),
];

/// A file name that says PNG or SVG.
///
/// # Errors
/// When it says something else.
pub fn path(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let is_known = path.extension().is_some_and(|extension| extension == "png" || extension == "svg");
    if is_known { Ok(path) } else { Err(format!("'{text}' must end in .png or .svg")) }
}

/// Whether `path` can be written: better known before long work than after it.
///
/// # Errors
/// Why not.
pub fn check(path: &Path) -> Result<()> {
    let is_new = !path.exists();
    let opened = File::options().append(true).create(true).open(path);
    opened.with_context(|| format!("--plot {}", path.display()))?;
    if is_new {
        std::fs::remove_file(path)?;
    }
    Ok(())
}

/// What a picture is drawn with.
pub trait Draw {
    /// Draws on `area`, in pixels.
    ///
    /// # Errors
    /// When the backend fails.
    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<()>;
}

/// Draws `figure` with `size` (width, height) pixels on white, into a file whose name ends in `.png` or `.svg`.
///
/// # Errors
/// When the name ends otherwise, or the file cannot be written.
pub fn save(figure: &impl Draw, size: (u32, u32), path: &Path) -> Result<()> {
    static INTER: &[u8] = include_bytes!("../../libs/vision/fonts/inter-medium.otf");
    static INTER_BOLD: &[u8] = include_bytes!("../../libs/vision/fonts/inter-semibold.otf");
    for (style, bytes) in [(FontStyle::Normal, INTER), (FontStyle::Bold, INTER_BOLD)] {
        register_font(FONT, style, bytes).map_err(|_| anyhow!("the bundled font cannot be read"))?;
    }
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("png") => save_png(figure, size, path),
        Some("svg") => {
            let mut text = String::new();
            paint(figure, &SVGBackend::with_string(&mut text, size).into_drawing_area())?;
            Ok(std::fs::write(path, text)?)
        }
        _ => bail!("pictures are .png or .svg: choose such a name"),
    }
}

fn save_png(figure: &impl Draw, size: (u32, u32), path: &Path) -> Result<()> {
    let mut pixels = vec![0; size.0 as usize * size.1 as usize * 3];
    paint(figure, &BitMapBackend::with_buffer(&mut pixels, size).into_drawing_area())?;
    let mut encoder = png::Encoder::new(BufWriter::new(File::create(path)?), size.0, size.1);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish().context("the picture cannot be written")
}

fn paint<B: DrawingBackend>(figure: &impl Draw, area: &DrawingArea<B, Shift>) -> Result<()> {
    area.fill(&WHITE).map_err(|error| anyhow!("{error}"))?;
    figure.draw(area)?;
    area.present().map_err(|error| anyhow!("{error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_tried_and_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let [old, new] = ["old.svg", "new.svg"].map(|name| folder.path().join(name));
        std::fs::write(&old, "old").unwrap();
        check(&old).unwrap();
        check(&new).unwrap();
        assert!(std::fs::read(&old).unwrap() == b"old" && !new.exists());
        let error = check(&folder.path().join("none/a.svg")).unwrap_err();
        assert!(format!("{error:#}").contains("none/a.svg: No such file"), "{error:#}");
    }

    #[test]
    fn names_say_which_kind_of_file() {
        assert!(path("a.jpg").is_err() && path("a").is_err() && path("a.svg").is_ok());
    }
}
