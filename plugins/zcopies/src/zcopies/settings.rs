//! Parameters of the tracer: defaults and blurbs.

use std::path::PathBuf;

use gst::glib::{self, ParamSpec, Value};
use gst::prelude::*;
use gstsupport::property;

/// What the user asked for: `GST_TRACERS="zcopies(file=links.json,format=json)"`.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    /// `None`: standard error.
    pub file: Option<PathBuf>,
    pub json: bool,
    /// `None`: one of the process's own in the user's folder for sockets.
    pub socket: Option<PathBuf>,
}

impl Settings {
    /// Takes over the value of property `name`. A format that there is none of is told and ignored.
    pub fn set(&mut self, name: &str, value: &Value) {
        match (name, property::text(value).as_deref()) {
            ("file", _) => self.file = property::path(value),
            ("socket", _) => self.socket = property::path(value),
            ("format", Some(format @ ("text" | "json"))) => self.json = format == "json",
            ("format", format) => {
                eprintln!("zcopies: format={}: there are 'text' and 'json'", format.unwrap_or_default());
            }
            _ => {}
        }
    }

    /// The value of property `name`.
    pub fn get(&self, name: &str) -> Value {
        match name {
            "file" => property::path_value(&self.file),
            "socket" => property::path_value(&self.socket),
            _ => Some(if self.json { "json" } else { "text" }).to_value(),
        }
    }
}

/// Every property of the tracer.
pub(super) fn properties() -> Vec<ParamSpec> {
    let string = |name: &'static str, nick: &'static str, blurb: &'static str| {
        glib::ParamSpecString::builder(name).nick(nick).blurb(blurb).build()
    };
    vec![
        string("file", "File", "Where the report goes when a pipeline stops (unset = standard error)"),
        string(
            "format",
            "Format",
            "text: a table for people. json: one JSON object in a line for each pipeline",
        ),
        string(
            "socket",
            "Socket",
            "Unix socket that gst-osha top reads from (unset = one in the user's runtime folder, none = no socket)",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_taken_over_and_mistakes_are_not() {
        let mut settings = Settings::default();
        settings.set("format", &"json".to_value());
        settings.set("format", &"yaml".to_value());
        settings.set("file", &"a.json".to_value());
        assert!(settings.json && settings.file == Some("a.json".into()) && settings.socket.is_none());
        assert_eq!(settings.get("format").get::<String>().unwrap(), "json");
    }
}
