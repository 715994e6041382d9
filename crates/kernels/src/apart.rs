//! Memory apart from other threads' memory.

use alloc::vec::Vec;
use core::ops::{Deref, DerefMut};

/// Bytes that are left free, and so untouched, behind each: a core that goes through a stretch of memory fetches lines from behind its
/// end as well, by itself and because kernels ask for what they would need next. If another core is about to write those, it
/// has to fetch them back, which takes long where the two share no cache (docs/perf-notes.md).
const GAP: usize = 16 << 10;

/// A vector behind which memory stays free, in copies too.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Apart<T>(Vec<T>);

impl<T: Clone> Apart<T> {
    /// So many of the same.
    pub(crate) fn new(count: usize, value: T) -> Apart<T> {
        let mut made = Apart::default();
        made.reset(count, value);
        made
    }

    /// Makes it so many of the same; allocates only if there were never as many.
    pub(crate) fn reset(&mut self, count: usize, value: T) {
        self.0.clear();
        self.reserve(count);
        self.0.resize(count, value);
    }

    /// Adds these at the end.
    pub(crate) fn append(&mut self, more: &[T]) {
        self.reserve(more.len());
        self.0.extend_from_slice(more);
    }

    /// Makes room for so many more, and the gap.
    fn reserve(&mut self, more: usize) {
        self.0.reserve_exact(more + GAP.div_ceil(size_of::<T>().max(1)));
    }
}

impl<T> Default for Apart<T> {
    fn default() -> Apart<T> {
        Apart(Vec::new())
    }
}

impl<T: Clone> Clone for Apart<T> {
    fn clone(&self) -> Apart<T> {
        let mut made = Apart::default();
        made.append(self);
        made
    }
}

impl<T> Deref for Apart<T> {
    type Target = [T];
    #[inline(always)]
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T> DerefMut for Apart<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_stays_free_behind_it_and_behind_its_copies() {
        let free = |of: &Apart<u64>| of.0.capacity() - of.0.len() >= GAP / size_of::<u64>();
        let mut numbers = Apart::new(1000, 7_u64);
        assert!(free(&numbers) && free(&numbers.clone()));
        assert_eq!(numbers.clone(), numbers);
        numbers.append(&[8; 3000]);
        assert!(free(&numbers) && free(&numbers.clone()));
        assert_eq!((numbers.len(), numbers[999], numbers[1000]), (4000, 7, 8));
        let before = numbers.as_ptr();
        numbers.reset(10, 9);
        assert_eq!((&numbers[..], numbers.as_ptr()), (&[9; 10][..], before));
    }
}
