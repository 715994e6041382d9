//! Memory asked for before it is needed.

use super::Line;

/// Asks for the bytes to be brought into the second-level cache. A hint: it changes nothing else.
///
/// ```
/// let images = [0; 784];
/// kernels::prefetch(&images); // long before they are read
/// ```
#[inline]
pub fn prefetch(bytes: &[u8]) {
    let before = bytes.as_ptr().addr() % size_of::<Line>();
    let first = bytes.as_ptr().wrapping_sub(before);
    for at in (0..before + bytes.len()).step_by(size_of::<Line>()) {
        prefetch_line::<true>(first.wrapping_add(at));
    }
}

/// Asks for the cache line of an address, into the first-level cache or, `FAR`, only into the second. A hint: it changes
/// nothing else, and there need not be anything.
#[inline(always)]
pub(crate) fn prefetch_line<const FAR: bool>(at: *const u8) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _MM_HINT_T1, _mm_prefetch};
        // SAFETY: a prefetch reads nothing that the program can see, and SSE is part of x86-64.
        unsafe {
            if FAR {
                _mm_prefetch::<_MM_HINT_T1>(at.cast());
            } else {
                _mm_prefetch::<_MM_HINT_T0>(at.cast());
            }
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// Asks for the cache line of an address that will be written: other cores give up theirs. A hint, as [`prefetch_line`].
#[inline(always)]
pub(crate) fn prefetch_own(at: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads and writes nothing that the program can see; processors without this one do nothing.
    unsafe {
        core::arch::asm!("prefetchw [{0}]", in(reg) at, options(nostack, preserves_flags));
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}
