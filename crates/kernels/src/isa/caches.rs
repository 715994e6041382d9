//! What kind of core this is, above all how large its caches are: asked of the CPU once, since under a hypervisor that takes
//! long.

use core::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of the caches that a core has for itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Caches {
    /// Of the first level, for data.
    pub(crate) first: usize,
    pub(crate) second: usize,
    /// Whether it is AMD's, by where it says this.
    pub(crate) amd: bool,
    /// Whether it is one of those that take vectors of 512 bits in halves, if it takes them at all: AMD's family 25, Zen 3 and 4.
    pub(crate) halves: bool,
}

impl Caches {
    /// Of many cores: where nothing is known.
    pub(crate) const USUAL: Caches =
        Caches { first: 48 << 10, second: 2 << 20, amd: false, halves: false };

    /// Whether the core is of a kind that has 32 KB in the first level, and takes four instructions a cycle, two of them
    /// multiply-adds: what there is beside them then counts.
    #[inline]
    pub(crate) fn slim(self) -> bool {
        self.first <= 32 << 10
    }

    /// Whether a store by mask over another one takes no longer than two stores, and reciprocals by multiply-adds are faster than
    /// the divider's: on AMD's cores the first takes some six cycles more, and multiply-adds are what an update waits for.
    #[inline]
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn masks(self) -> bool {
        !self.amd
    }

    /// Those of this CPU.
    #[inline]
    pub(crate) fn here() -> Caches {
        /// Kilobytes of the second level, below them those of the first, and below these whether it is AMD's and has halves; 0
        /// before anybody asked.
        static FOUND: AtomicUsize = AtomicUsize::new(0);
        const LOW: usize = 12;
        // Two threads that both ask get the same answer.
        let mut found = FOUND.load(Ordering::Relaxed);
        if found == 0 {
            let Caches { first, second, amd, halves } = asked().unwrap_or(Caches::USUAL);
            let sizes = ((second >> 10) << LOW) | (first >> 10).min((1 << LOW) - 1);
            found = (sizes << 2) | usize::from(halves) << 1 | usize::from(amd);
            FOUND.store(found, Ordering::Relaxed);
        }
        let (sizes, amd, halves) = (found >> 2, found & 1 == 1, found & 2 == 2);
        let (first, second) = ((sizes % (1 << LOW)) << 10, (sizes >> LOW) << 10);
        Caches { first, second, amd, halves }
    }
}

/// What the CPU says, if it says anything.
#[cold]
#[cfg(target_arch = "x86_64")]
fn asked() -> Option<Caches> {
    /// Caches one by one: Intel's leaf, and AMD's, which has one if bit 22 of ECX of 0x80000001 is set.
    const INTEL: u32 = 4;
    const AMD: u32 = 0x8000_001d;
    let amd = cpuid(0x8000_0000, 0).eax >= AMD && cpuid(0x8000_0001, 0).ecx >> 22 & 1 == 1;
    let leaf = if amd { AMD } else { INTEL };
    // The family is the sum of two fields, the second of which counts if the first is full.
    let version = cpuid(1, 0).eax;
    let halves = amd && version >> 8 & 15 == 15 && version >> 20 & 255 == 25 - 15;
    if !amd && cpuid(0, 0).eax < INTEL {
        return None;
    }
    let mut levels = [0; 2];
    // No CPU has more; the list ends where the kind is 0.
    for i in 0..8 {
        let cache = cpuid(leaf, i);
        let (kind, level) = (cache.eax & 31, cache.eax >> 5 & 7);
        let field = |from: u32, bits: u32| (cache.ebx >> from & ((1 << bits) - 1)) as usize + 1;
        let bytes = field(22, 10) * field(12, 10) * field(0, 12) * (cache.ecx as usize + 1);
        match (kind, level) {
            (0, _) => break,
            // For instructions.
            (2, _) => {}
            (_, 1 | 2) => levels[level as usize - 1] = bytes,
            _ => {}
        }
    }
    let [first, second] = levels;
    (first >= 1 << 10 && second >= first).then_some(Caches { first, second, amd, halves })
}

#[cfg(target_arch = "x86_64")]
#[allow(unused_unsafe, reason = "the oldest Rust that builds this has it unsafe")]
fn cpuid(leaf: u32, part: u32) -> core::arch::x86_64::CpuidResult {
    // SAFETY: every x86-64 CPU has CPUID, which touches no memory.
    unsafe { core::arch::x86_64::__cpuid_count(leaf, part) }
}

#[cfg(not(target_arch = "x86_64"))]
fn asked() -> Option<Caches> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_possible_and_do_not_change() {
        let found = Caches::here();
        assert!((8 << 10..1 << 22).contains(&found.first), "{found:?}");
        assert!((64 << 10..1 << 28).contains(&found.second), "{found:?}");
        assert_eq!(found, Caches::here());
        assert_eq!(found, asked().unwrap_or(Caches::USUAL));
    }
}
