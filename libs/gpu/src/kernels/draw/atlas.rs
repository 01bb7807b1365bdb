//! Sprites that lie in device memory already.

use std::collections::HashMap;
use std::sync::Arc;

use vision::draw::{DisplayList, Primitive, Sprite};

use crate::cuda::{Context, DeviceBuffer, Error};

/// What a new atlas holds, in bytes.
const CAPACITY: usize = 4 << 20;

/// Masks side by side. When they are too many, the atlas starts over.
#[derive(Debug)]
pub(super) struct Atlas {
    pub memory: DeviceBuffer,
    used: usize,
    /// By address of the sprite, which the entry keeps alive.
    places: HashMap<usize, (Arc<Sprite>, u32)>,
}

/// What identifies a sprite.
fn key(sprite: &Arc<Sprite>) -> usize {
    Arc::as_ptr(sprite) as usize
}

fn sprites(list: &DisplayList) -> impl Iterator<Item = &Arc<Sprite>> {
    list.primitives.iter().filter_map(|primitive| match primitive {
        Primitive::Sprite { sprite, .. } => Some(sprite),
        _ => None,
    })
}

impl Atlas {
    /// An empty atlas.
    pub fn new(context: &Arc<Context>) -> Result<Self, Error> {
        Ok(Self { memory: DeviceBuffer::new(context, CAPACITY)?, used: 0, places: HashMap::new() })
    }

    /// Makes room for every sprite of `list`; returns the first byte of those that come new.
    pub fn make_room(&mut self, list: &DisplayList) -> Result<usize, Error> {
        let length = |sprite: &Arc<Sprite>| sprite.coverage().len();
        let new = sprites(list).filter(|sprite| !self.places.contains_key(&key(sprite)));
        if self.used + new.map(length).sum::<usize>() > self.memory.len() {
            self.start_over(sprites(list).map(length).sum())?;
        }
        Ok(self.used)
    }

    fn start_over(&mut self, needed: usize) -> Result<(), Error> {
        if needed > self.memory.len() {
            self.memory = DeviceBuffer::new(self.memory.context(), needed.next_power_of_two())?;
        }
        self.forget();
        Ok(())
    }

    /// Forgets every sprite.
    pub fn forget(&mut self) {
        self.used = 0;
        self.places.clear();
    }

    /// First byte of a sprite that there is room for. The mask of a new one is appended to `new`.
    pub fn place(&mut self, sprite: &Arc<Sprite>, new: &mut Vec<u8>) -> u32 {
        let (_, first) = self.places.entry(key(sprite)).or_insert_with(|| {
            let first = self.used as u32;
            new.extend_from_slice(sprite.coverage());
            self.used += sprite.coverage().len();
            (sprite.clone(), first)
        });
        *first
    }
}
