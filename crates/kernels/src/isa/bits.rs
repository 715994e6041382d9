//! Lists of the bits that are set: what products may skip is known as masks, and a tile walks along a list.

#[cfg(target_arch = "x86_64")]
use super::has;

/// A byte in each byte.
const EACH_BYTE: u64 = u64::from_le_bytes([1; 8]);

/// How many bits of a byte are set: not every instruction set has an instruction for it.
const COUNTS: [u8; 256] = {
    let mut counts = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        counts[byte] = (byte as u8).count_ones() as u8;
        byte += 1;
    }
    counts
};

/// The numbers of the bits that are set, in order from the lowest byte on.
const PICKED: [u64; 256] = {
    let mut picked = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut bit, mut at) = (0, 0);
        while bit < 8 {
            if byte >> bit & 1 == 1 {
                picked[byte] |= bit << at;
                at += 8;
            }
            bit += 1;
        }
        byte += 1;
    }
    picked
};

/// Adds the bits that are set, `from` on, to a list that has `count` numbers; returns how many it has now. Eight numbers
/// are written at once, whatever their count.
#[inline(always)]
pub(crate) fn pick(bits: u16, from: u16, list: &mut [u16], mut count: usize) -> usize {
    for (byte, from) in bits.to_le_bytes().map(usize::from).into_iter().zip([from, from + 8]) {
        for (to, number) in list[count..count + 8].iter_mut().zip(PICKED[byte].to_le_bytes()) {
            *to = from + u16::from(number);
        }
        count += usize::from(COUNTS[byte]);
    }
    count
}

/// How many numbers are written at once, at most.
pub(crate) const ROOM: usize = 64;

/// How the numbers of bits are found.
pub trait Bits: Copy {
    /// Writes `from` plus the number of each bit that is set, in order from the lowest, to the front of `to`, and something
    /// behind it; returns how many there are.
    fn numbers(self, bits: u64, from: u8, to: &mut [u8; ROOM]) -> usize;
}

/// Something that needs such numbers, for [`Simd::listed`](super::Simd::listed).
pub trait Listing {
    /// Makes its lists.
    fn run(self, by: impl Bits);
}

/// By a table, eight bits at a time.
#[derive(Clone, Copy)]
pub(crate) struct Table;

impl Bits for Table {
    #[inline(always)]
    fn numbers(self, mut bits: u64, from: u8, to: &mut [u8; ROOM]) -> usize {
        let (mut count, mut from) = (0, u64::from(from) * EACH_BYTE);
        while bits != 0 {
            let byte = usize::from(bits as u8);
            to[count..count + 8].copy_from_slice(&(PICKED[byte] + from).to_le_bytes());
            count += usize::from(COUNTS[byte]);
            from += 8 * EACH_BYTE;
            bits >>= 8;
        }
        count
    }
}

/// By VPCOMPRESSB, all at once: proof that this CPU has AVX-512 VBMI2, BW and F, POPCNT, and for what surrounds it
/// BMI1 and BMI2.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(super) struct Compress(());

#[cfg(target_arch = "x86_64")]
impl Compress {
    /// The token, if this CPU has the instructions.
    #[inline]
    pub(super) fn new() -> Option<Self> {
        has!("avx512vbmi2", "avx512bw", "avx512f", "popcnt", "bmi1", "bmi2").then_some(Compress(()))
    }

    /// Makes lists with these instructions.
    pub(super) fn run(self, listing: impl Listing) {
        #[target_feature(enable = "avx512vbmi2,avx512bw,avx512f,popcnt,bmi1,bmi2")]
        fn inner(token: Compress, listing: impl Listing) {
            listing.run(token);
        }
        // SAFETY: `self` exists, so `new` found every feature that `inner` enables.
        unsafe { inner(self, listing) }
    }
}

#[cfg(target_arch = "x86_64")]
impl Bits for Compress {
    #[inline(always)]
    fn numbers(self, bits: u64, from: u8, to: &mut [u8; ROOM]) -> usize {
        use core::arch::x86_64::*;
        const NUMBERS: [u8; ROOM] = {
            let mut numbers = [0; ROOM];
            let mut i = 0;
            while i < ROOM {
                numbers[i] = i as u8;
                i += 1;
            }
            numbers
        };
        // SAFETY: the token proves AVX-512 VBMI2, BW and F; the references cover the 64 bytes that are read and written.
        unsafe {
            let all = _mm512_loadu_si512(NUMBERS.as_ptr().cast());
            let all = _mm512_add_epi8(all, _mm512_set1_epi8(from.cast_signed()));
            _mm512_storeu_si512(to.as_mut_ptr().cast(), _mm512_maskz_compress_epi8(bits, all));
        }
        bits.count_ones() as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{vec, vec::Vec};

    /// The lists of some words, each behind another, by what is given to `run`.
    struct Words<'a>(&'a [u64], &'a mut Vec<u8>);

    impl Listing for Words<'_> {
        fn run(self, by: impl Bits) {
            for (bits, from) in self.0.iter().zip([0, 64, 100].into_iter().cycle()) {
                let mut list = [0xff; ROOM];
                let count = by.numbers(*bits, from, &mut list);
                self.1.extend_from_slice(&list[..count]);
            }
        }
    }

    fn words() -> Vec<u64> {
        let mut words = vec![0, 1, u64::MAX, 1 << 63, 0x8000_0000_0000_0001, 0x00ff_00ff_00ff_00ff];
        let mut word = 1_u64;
        for _ in 0..10_000 {
            word = word.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            words.push(word ^ word >> 29);
        }
        words
    }

    fn by_bits(words: &[u64]) -> Vec<u8> {
        let lists = words.iter().zip([0_u8, 64, 100].into_iter().cycle());
        lists
            .flat_map(|(word, from)| {
                (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| from + bit as u8)
            })
            .collect()
    }

    #[test]
    fn the_table_lists_the_bits_that_are_set() {
        let (words, mut lists) = (words(), Vec::new());
        Words(&words, &mut lists).run(Table);
        assert_eq!(lists, by_bits(&words));
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn so_does_compress_where_the_cpu_has_it() {
        let Some(compress) = Compress::new() else { return };
        let (words, mut lists) = (words(), Vec::new());
        compress.run(Words(&words, &mut lists));
        assert_eq!(lists, by_bits(&words));
    }
}
