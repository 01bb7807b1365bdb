//! Command line of gst-osha.

fn main() {}
