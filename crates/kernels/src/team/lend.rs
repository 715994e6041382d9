//! What the tasks of a phase borrow: each its own pieces of mutable slices.

use super::Team;
use core::cell::UnsafeCell;

impl Team {
    /// Runs `task(i, &mut items[i])` for every item, as [`for_each`](Team::for_each) does.
    ///
    /// # Panics
    /// With a task's panic, when no task runs any more; tasks that had not begun may be left out.
    pub fn for_each_mut<T: Send>(&mut self, items: &mut [T], task: impl Fn(usize, &mut T) + Sync) {
        let cells = Cells::new(items);
        // SAFETY: `for_each` hands out each index once, so each item has one borrower.
        self.for_each(cells.len(), |i| task(i, unsafe { cells.get(i) }));
    }

    /// Cuts what `first` is into `n` equal pieces and runs `a(own, i, piece i)` for all of them, and in the same phase
    /// `b(own, j, piece j)` for `m` pieces of `second`. `own` is what the thread that runs a task has for itself: one
    /// of `owns`. Slices that are cut side by side are pairs, or pairs of pairs, and so are their pieces.
    ///
    /// ```
    /// use kernels::Team;
    /// let (mut owns, mut a, mut b) = ([0; 2], [1, 2, 3, 4, 5, 6], ["x", "y", "z"].map(String::from));
    /// let piece = |own: &mut i32, i: usize, (a, b): (&mut [i32], &mut [String])| {
    ///     *own += 1;
    ///     b[0] = format!("{i}: {} and {}", a[0], a[1]);
    /// };
    /// let nothing = (0, &mut [][..], |_: &mut i32, _, _: &mut [()]| ());
    /// Team::new(2).for_each_zip(&mut owns, (3, (&mut a[..], &mut b[..]), piece), nothing);
    /// assert_eq!((owns.iter().sum(), &b[2][..]), (3, "2: 5 and 6"));
    /// ```
    ///
    /// # Panics
    /// If a slice cannot be cut into `n` equal pieces, or there are fewer `owns` than threads; and with a task's
    /// panic, when no task runs any more. Tasks that had not begun may be left out.
    pub fn for_each_zip<O: Send, T: Zip, U: Zip>(
        &mut self,
        owns: &mut [O],
        (n, first, a): (usize, T, impl Fn(&mut O, usize, T) + Sync),
        (m, second, b): (usize, U, impl Fn(&mut O, usize, U) + Sync),
    ) {
        let (ts, us, threads) = (first.cells(n), second.cells(m), self.threads());
        assert!(owns.len() >= threads, "one's own for each of {threads} threads");
        let owns = Cells::new(owns);
        self.run(n + m, |thread, i| {
            // SAFETY: a thread runs one task at a time, and no two threads of a team have the same number.
            let own = unsafe { owns.get(thread) };
            match dealt(i, n, m, threads) {
                // SAFETY: `run` hands out each index once and `dealt` is one to one, so each piece has one
                // borrower.
                Kind::First(i) => a(own, i, unsafe { T::piece(&ts, i) }),
                // SAFETY: as above.
                Kind::Second(j) => b(own, j, unsafe { U::piece(&us, j) }),
            }
        });
    }
}

/// A task of a phase with two kinds of them.
#[derive(Debug, PartialEq)]
enum Kind {
    First(usize),
    Second(usize),
}

/// Task `i` of `n` of the first kind and `m` of the second. Where they can be dealt out evenly, each thread's
/// home range has its share of both, so that nobody has to come for what is left at the end; else all of the
/// first kind come before the second.
fn dealt(i: usize, n: usize, m: usize, threads: usize) -> Kind {
    let (threads, [n, m]) = match [n, m].map(|count| count.is_multiple_of(threads)) {
        [true, true] => (threads, [n / threads, m / threads]),
        _ => (1, [n, m]),
    };
    debug_assert!(i < threads * (n + m));
    let (thread, at) = (i / (n + m), i % (n + m));
    if at < n { Kind::First(thread * n + at) } else { Kind::Second(thread * m + at - n) }
}

/// What [`Team::for_each_zip`] cuts into pieces: a mutable slice, or a pair of such, and nothing else. That a loan of
/// [`briefly`](Zip::briefly) ends with its task is what [`Team::for_each_step`] relies on.
pub trait Zip: Sized + sealed::Sealed {
    /// All pieces.
    #[doc(hidden)]
    type Cells: Sync;

    /// A piece that is lent for a shorter time.
    type Piece<'p>
    where
        Self: 'p;

    /// Makes `n` pieces.
    #[doc(hidden)]
    fn cells(self, n: usize) -> Self::Cells;

    /// Piece `i`.
    ///
    /// # Safety
    /// Nobody else borrows it as long as this is borrowed.
    #[doc(hidden)]
    unsafe fn piece(cells: &Self::Cells, i: usize) -> Self;

    /// The same piece for a shorter time.
    #[doc(hidden)]
    fn briefly<'p>(self) -> Self::Piece<'p>
    where
        Self: 'p;
}

mod sealed {
    /// Nobody else can implement what needs this.
    pub trait Sealed {}
    impl<T> Sealed for &mut [T] {}
    impl<A, B> Sealed for (A, B) {}
}

impl<'a, T: Send> Zip for &'a mut [T] {
    type Cells = (Cells<'a, T>, usize);
    type Piece<'p>
        = &'p mut [T]
    where
        Self: 'p;

    fn cells(self, n: usize) -> Self::Cells {
        let (len, piece) = (self.len(), self.len() / n.max(1));
        assert_eq!(piece * n, len, "{len} items in {n} equal pieces");
        (Cells::new(self), piece)
    }

    unsafe fn piece((cells, len): &Self::Cells, i: usize) -> Self {
        // SAFETY: pieces do not overlap, and the caller vouches for the exclusiveness of this one.
        unsafe { cells.piece(i * len, *len) }
    }

    fn briefly<'p>(self) -> &'p mut [T]
    where
        Self: 'p,
    {
        self
    }
}

impl<A: Zip, B: Zip> Zip for (A, B) {
    type Cells = (A::Cells, B::Cells);
    type Piece<'p>
        = (A::Piece<'p>, B::Piece<'p>)
    where
        Self: 'p;

    fn cells(self, n: usize) -> Self::Cells {
        (self.0.cells(n), self.1.cells(n))
    }

    unsafe fn piece((a, b): &Self::Cells, i: usize) -> Self {
        // SAFETY: the caller vouches for the exclusiveness of both.
        unsafe { (A::piece(a, i), B::piece(b, i)) }
    }

    fn briefly<'p>(self) -> Self::Piece<'p>
    where
        Self: 'p,
    {
        (self.0.briefly(), self.1.briefly())
    }
}

/// A mutable slice that several threads borrow different items of.
#[derive(Debug)]
pub struct Cells<'a, T>(&'a [UnsafeCell<T>]);

// SAFETY: an item is reached only through `get` and `piece`, whose callers vouch for exclusiveness; the items
// themselves may move between threads.
unsafe impl<T: Send> Sync for Cells<'_, T> {}

impl<'a, T> Cells<'a, T> {
    pub(super) fn new(items: &'a mut [T]) -> Self {
        // SAFETY: `UnsafeCell<T>` has the layout of `T`, and the exclusive borrow is given up for 'a.
        Cells(unsafe { &*(core::ptr::from_mut(items) as *const [UnsafeCell<T>]) })
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// # Safety
    /// Nobody else borrows item `i` meanwhile.
    #[expect(clippy::mut_from_ref, reason = "that is what the contract is about")]
    pub(super) unsafe fn get(&self, i: usize) -> &mut T {
        // SAFETY: the caller vouches for exclusiveness; the slice outlives `self`.
        unsafe { &mut *self.0[i].get() }
    }

    /// # Safety
    /// Nobody borrows an item to write to it as long as these are borrowed.
    pub(super) unsafe fn all(&self) -> &[T] {
        // SAFETY: the caller vouches for that, and `UnsafeCell<T>` has the layout of `T`.
        unsafe { &*(core::ptr::from_ref(self.0) as *const [T]) }
    }

    /// # Safety
    /// Nobody else borrows the items `from..from + len` as long as these are borrowed.
    pub(super) unsafe fn piece(&self, from: usize, len: usize) -> &'a mut [T] {
        let piece = &self.0[from..from + len];
        // SAFETY: the caller vouches for exclusiveness; the slice is borrowed for 'a, and `UnsafeCell<T>` has
        // the layout of `T`.
        unsafe { core::slice::from_raw_parts_mut(UnsafeCell::raw_get(piece.as_ptr()), len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn every_task_is_dealt_once() {
        for (n, m, threads) in [(2, 2, 2), (4, 6, 2), (3, 5, 2), (8, 0, 4), (0, 3, 3), (1, 1, 1)] {
            let all: Vec<Kind> = (0..n + m).map(|i| dealt(i, n, m, threads)).collect();
            assert!((0..n).all(|i| all.contains(&Kind::First(i))), "{n} {m} {threads}");
            assert!((0..m).all(|j| all.contains(&Kind::Second(j))), "{n} {m} {threads}");
        }
    }

    #[test]
    fn threads_have_their_share_of_both_kinds() {
        let range = |thread: usize| [2 * thread, 2 * thread + 1].map(|i| dealt(i, 2, 2, 2));
        assert_eq!(range(0), [Kind::First(0), Kind::Second(0)]);
        assert_eq!(range(1), [Kind::First(1), Kind::Second(1)]);
    }
}
