//! Bad input. What is wrong is told on the bus by the element that it concerns, with the property, the file, the reason
//! and the remedy, before PLAYING where that can be known. Nothing panics, hangs or leaks, and the frames before the
//! fault come out.

#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;
mod events;
mod frames;
mod processes;
mod refusals;
mod video;
