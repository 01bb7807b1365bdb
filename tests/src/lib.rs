//! What the tests across the plugins share.
