//! Values of GObject properties to and from Rust.

use std::path::PathBuf;

use gst::glib::{self, Value};
use gst::prelude::*;

/// Takes `value` over into `target` if it is of that type.
pub fn take<'v, T: glib::value::FromValue<'v>>(target: &mut T, value: &'v Value) {
    if let Ok(given) = value.get() {
        *target = given;
    }
}

/// The text in `value`. Empty text is as good as none.
pub fn text(value: &Value) -> Option<String> {
    value.get::<Option<String>>().ok().flatten().filter(|text| !text.is_empty())
}

/// The path in `value`, as [`text`].
pub fn path(value: &Value) -> Option<PathBuf> {
    text(value).map(PathBuf::from)
}

/// `path` as the value of a string property.
pub fn path_value(path: &Option<PathBuf>) -> Value {
    path.as_ref().map(|path| path.to_string_lossy().into_owned()).to_value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_text_is_none() {
        assert_eq!(text(&"".to_value()), None);
        assert_eq!(path(&"a/b".to_value()), Some(PathBuf::from("a/b")));
        assert_eq!(path(&path_value(&Some("a/b".into()))), Some(PathBuf::from("a/b")));
        assert_eq!(path(&path_value(&None)), None);
    }

    #[test]
    fn a_value_of_another_type_changes_nothing() {
        let mut number = 3_u32;
        take(&mut number, &"4".to_value());
        assert_eq!(number, 3);
        take(&mut number, &5_u32.to_value());
        assert_eq!(number, 5);
    }
}
