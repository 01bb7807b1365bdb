//! Choices that users have, as enumerations of properties.

use gst::glib;
use vision::draw::Look;

/// Colours of what is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstOshaAnnotateTheme")]
#[repr(u32)]
pub enum Theme {
    /// Light text on dark plates.
    #[default]
    #[enum_value(name = "Dark: light text on dark plates", nick = "dark")]
    Dark,
    /// Dark text on light plates.
    #[enum_value(name = "Light: dark text on light plates", nick = "light")]
    Light,
    /// White text on black, strong colours, larger type.
    #[enum_value(
        name = "High contrast: white text on black, strong colours, larger type",
        nick = "high-contrast"
    )]
    HighContrast,
}

impl From<Theme> for Look {
    fn from(theme: Theme) -> Self {
        match theme {
            Theme::Dark => Self::Dark,
            Theme::Light => Self::Light,
            Theme::HighContrast => Self::HighContrast,
        }
    }
}

/// Language of the words on the frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstOshaAnnotateLanguage")]
#[repr(u32)]
pub enum Language {
    /// English.
    #[default]
    #[enum_value(name = "English", nick = "en")]
    English,
    /// German.
    #[enum_value(name = "German", nick = "de")]
    German,
    /// Spanish.
    #[enum_value(name = "Spanish", nick = "es")]
    Spanish,
    /// French.
    #[enum_value(name = "French", nick = "fr")]
    French,
}

/// When a picture of a violation is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstOshaAnnotateSnapshot")]
#[repr(u32)]
pub enum Snapshot {
    /// Never.
    #[enum_value(name = "Off", nick = "off")]
    Off,
    /// When a violation is confirmed.
    #[default]
    #[enum_value(name = "Violation start: when it is confirmed", nick = "violation-start")]
    Start,
    /// When a violation is over.
    #[enum_value(name = "Violation end: when it is over", nick = "violation-end")]
    End,
    /// At both.
    #[enum_value(name = "Violation start and end", nick = "violation-start-end")]
    StartEnd,
}

impl Snapshot {
    /// Whether the start of a violation is kept.
    pub fn at_start(self) -> bool {
        matches!(self, Self::Start | Self::StartEnd)
    }

    /// Whether the end of a violation is kept.
    pub fn at_end(self) -> bool {
        matches!(self, Self::End | Self::StartEnd)
    }
}

/// Which pictures of a moment are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstOshaAnnotateSnapshotPicture")]
#[repr(u32)]
pub enum SnapshotPicture {
    /// The frame with everything that is drawn on it.
    #[default]
    #[enum_value(name = "Drawn: with boxes, zones and texts", nick = "drawn")]
    Drawn,
    /// The frame as it came.
    #[enum_value(name = "Plain: as the frame came", nick = "plain")]
    Plain,
    /// Both.
    #[enum_value(name = "Both, one file each", nick = "both")]
    Both,
}

/// What is made unrecognisable in kept pictures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstOshaAnnotateSnapshotBlur")]
#[repr(u32)]
pub enum SnapshotBlur {
    /// Nothing.
    #[default]
    #[enum_value(name = "None", nick = "none")]
    None,
    /// The heads of detected people.
    #[enum_value(name = "Faces: the head of everybody who is detected", nick = "faces")]
    Faces,
    /// Detected people.
    #[enum_value(name = "People: everybody who is detected", nick = "people")]
    People,
}
