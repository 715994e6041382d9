//! Memory in large pages.

use super::Line;
use alloc::vec::Vec;

/// Bytes of a large page.
const LARGE: usize = 2 << 20;

/// Puts these vectors, and whatever else lies beside them, into pages of 2 MB, where the system can: more than a few
/// megabytes are then read and written faster, with fewer misses of the TLB. Takes half a millisecond a page, and changes
/// nothing else. It does nothing without the feature `std`, on Linux before 6.1, and on other systems.
///
/// ```
/// use kernels::{Line, large_pages};
/// let weights = vec![Line::ZERO; 1 << 16];
/// large_pages([&weights[..]]);
/// ```
pub fn large_pages<'a>(vectors: impl IntoIterator<Item = &'a [Line]>) {
    let pages = |lines: &'a [Line]| {
        let at = lines.as_ptr_range();
        at.start.addr() / LARGE..at.end.addr().div_ceil(LARGE)
    };
    let mut pages: Vec<usize> = vectors.into_iter().flat_map(pages).collect();
    pages.sort_unstable();
    pages.dedup();
    pages.into_iter().for_each(|page| collapse(page * LARGE));
}

/// Asks Linux to make one large page of those from this address on.
#[cfg(all(target_os = "linux", feature = "std"))]
fn collapse(at: usize) {
    use core::ffi::{c_int, c_void};
    const MADV_COLLAPSE: c_int = 25;
    unsafe extern "C" {
        fn madvise(at: *mut c_void, bytes: usize, advice: c_int) -> c_int;
    }
    // SAFETY: this advice changes how the system keeps what is there, but not a byte of it, and no right to it; where
    // there is nothing, or anything that cannot be kept so, the call fails.
    unsafe { madvise(core::ptr::without_provenance_mut(at), LARGE, MADV_COLLAPSE) };
}

#[cfg(not(all(target_os = "linux", feature = "std")))]
fn collapse(_: usize) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_keeps_what_is_in_it() {
        let lines = |from: usize| (from..from + 100_000).map(|i| Line([i as f32; 16])).collect();
        let (mut all, want): ([Vec<Line>; 3], [Vec<Line>; 3]) =
            ([0, 1, 2].map(lines), [0, 1, 2].map(lines));
        large_pages(all.iter().map(Vec::as_slice));
        assert!(all == want);
        all[1][0] = Line::ZERO;
        assert_eq!((all[1][0], &all[1][1..]), (Line::ZERO, &want[1][1..]));
        large_pages([]);
    }
}
