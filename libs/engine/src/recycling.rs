//! Memory that is costly to get, used again.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex};

use crate::lock;

/// Things that wait to be used again.
#[derive(Debug)]
pub struct Store<T>(Arc<Mutex<Vec<T>>>);

impl<T> Default for Store<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> Store<T> {
    /// One that was used before and `fits`, or a new one.
    ///
    /// # Errors
    /// What `make` returns.
    pub fn take<E>(
        &self,
        fits: impl Fn(&T) -> bool,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<Recycled<T>, E> {
        let used = {
            let mut idle = lock(&self.0);
            idle.iter().position(fits).map(|index| idle.swap_remove(index))
        };
        let item = used.map_or_else(make, Ok)?;
        Ok(Recycled { item: Some(item), store: Self(Arc::clone(&self.0)) })
    }
}

/// Something that goes back to its store when dropped.
pub struct Recycled<T> {
    /// There until it is dropped.
    item: Option<T>,
    store: Store<T>,
}

impl<T> Deref for Recycled<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.item.as_ref().unwrap_or_else(|| unreachable!("taken in drop only"))
    }
}

impl<T> DerefMut for Recycled<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.item.as_mut().unwrap_or_else(|| unreachable!("taken in drop only"))
    }
}

impl<T> Drop for Recycled<T> {
    fn drop(&mut self) {
        lock(&self.store.0).extend(self.item.take());
    }
}

impl<T: fmt::Debug> fmt::Debug for Recycled<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.item.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_used_again() {
        let store = Store::default();
        let take = |size| store.take(|&item: &usize| item == size, || Ok::<_, ()>(size)).unwrap();
        drop((take(4), take(8)));
        let sizes = (*take(8), *take(4));
        assert_eq!((sizes, lock(&store.0).len()), ((8, 4), 2));
    }
}
