//! Lists of the bits that are set: what products may skip is known as masks, and a tile walks along a list.

#[cfg(target_arch = "x86_64")]
use super::{Caches, has};
use super::{GROUP, LANES, PAIR};

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

/// How many numbers are written at once, at most.
pub(crate) const ROOM: usize = 64;

/// All of them.
#[cfg(target_arch = "x86_64")]
const NUMBERS: [u8; ROOM] = {
    let mut numbers = [0; ROOM];
    let mut i = 0;
    while i < ROOM {
        numbers[i] = i as u8;
        i += 1;
    }
    numbers
};

/// Rows that are marked together.
pub(crate) const MARKED: usize = 32;

/// Of some rows, which lanes of a vector are other than zero: in word `w` of sixteen rows, and there in quarter `q`, those of
/// row `4 q + w`, so that the four words together are groups of four rows.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
pub struct Marks([[[u16; LANES / GROUP]; GROUP]; MARKED / LANES]);

impl Marks {
    /// Those of row `r`.
    #[inline(always)]
    pub(crate) fn set(&mut self, r: usize, lit: u16) {
        self.0[r / LANES][r % GROUP][r % LANES / GROUP] = lit;
    }
}

/// How lists are made of marks, for groups of `G` rows or columns: [`GROUP`] or [`PAIR`].
pub trait Bits: Copy {
    /// Whether pairs suit products on this CPU.
    #[inline(always)]
    fn pairs(self) -> bool {
        false
    }

    /// For each `G` rows of up to four vectors, the columns in which one is lit.
    #[inline(always)]
    fn columns<const G: usize>(self, marks: &[Marks]) -> [u64; MARKED / PAIR] {
        let mut words = [0; MARKED / PAIR];
        for (v, marks) in marks.iter().enumerate() {
            for (marks, words) in marks.0.iter().zip(words.chunks_mut(LANES / G)) {
                // `G` of the four words, of which each quarter is a group.
                for (part, marks) in marks.chunks(G).enumerate() {
                    let any = marks.iter().fold(0, |any, quarters| any | word(*quarters));
                    for (q, word) in words.iter_mut().skip(part).step_by(GROUP / G).enumerate() {
                        *word |= (any >> (q * LANES) & 0xffff) << (v * LANES);
                    }
                }
            }
        }
        words
    }

    /// For each `G` columns of a vector, the rows in which one is lit.
    #[inline(always)]
    fn rows<const G: usize>(self, marks: &Marks) -> [u32; LANES / PAIR] {
        let mut words = [0; LANES / PAIR];
        for (s, marks) in marks.0.iter().enumerate() {
            for part in 0..GROUP / G {
                // Bit `w` of four is whether the row in word `w` has one of `G` columns lit.
                let rows = marks.iter().enumerate().fold(0, |rows, (w, quarters)| {
                    let word = word(*quarters);
                    let pairs = word | word >> 1;
                    let any = if G == PAIR { pairs >> (part * PAIR) } else { pairs | pairs >> 2 };
                    rows | (any & 0x1111_1111_1111_1111) << w
                });
                let groups = words[..LANES / G].iter_mut().skip(part).step_by(GROUP / G);
                for (q, word) in groups.enumerate() {
                    // The four bits of quarter 0, 16, 32 and 48 bits up go next to each other.
                    let four = rows >> (q * GROUP) & 0x000f_000f_000f_000f;
                    let rows = four.wrapping_mul(0x0001_0010_0100_1000) >> 48;
                    *word |= (rows as u32) << (s * LANES);
                }
            }
        }
        words
    }

    /// Writes `from` plus the number of each bit that is set, in order from the lowest, to the front of `to`, and something
    /// behind it; returns how many there are.
    fn numbers(self, bits: u64, from: u8, to: &mut [u8; ROOM]) -> usize;

    /// The same of a vector's bits, in numbers of two bytes.
    fn lanes(self, bits: u16, from: u16, to: &mut [u16; LANES]) -> usize;
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

    #[inline(always)]
    fn lanes(self, bits: u16, from: u16, to: &mut [u16; LANES]) -> usize {
        let mut count = 0;
        for (byte, from) in bits.to_le_bytes().map(usize::from).into_iter().zip([from, from + 8]) {
            for (to, number) in to[count..count + 8].iter_mut().zip(PICKED[byte].to_le_bytes()) {
                *to = from + u16::from(number);
            }
            count += usize::from(COUNTS[byte]);
        }
        count
    }
}

/// Four quarters as one word.
#[inline(always)]
fn word(quarters: [u16; LANES / GROUP]) -> u64 {
    quarters.iter().rev().fold(0, |word, quarter| word << 16 | u64::from(*quarter))
}

/// By instructions that compress a vector: `BYTES` at once, or sixteen words of 32 bits. Proof that this CPU has AVX-512 BW and F,
/// for bytes VBMI2, and for what surrounds it POPCNT, BMI1 and BMI2.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(super) struct Compress<const BYTES: bool>(());

#[cfg(target_arch = "x86_64")]
macro_rules! compress {
    ($bytes:literal: $features:literal, $($feature:tt),+) => {
        impl Compress<$bytes> {
            /// The token, if this CPU has the instructions.
            #[inline]
            pub(super) fn new() -> Option<Self> {
                has!($($feature),+).then_some(Compress(()))
            }

            /// Makes lists with these instructions.
            pub(super) fn run(self, listing: impl Listing) {
                #[target_feature(enable = $features)]
                fn inner(token: Compress<$bytes>, listing: impl Listing) {
                    listing.run(token);
                }
                // SAFETY: `self` exists, so `new` found every feature that `inner` enables.
                unsafe { inner(self, listing) }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
compress!(true: "avx512vbmi2,avx512bw,avx512f,popcnt,bmi1,bmi2",
    "avx512vbmi2", "avx512bw", "avx512f", "popcnt", "bmi1", "bmi2");
#[cfg(target_arch = "x86_64")]
compress!(false: "avx512bw,avx512f,popcnt,bmi1,bmi2",
    "avx512bw", "avx512f", "popcnt", "bmi1", "bmi2");

#[cfg(target_arch = "x86_64")]
impl<const BYTES: bool> Compress<BYTES> {
    /// The marks of 32 rows, in words of 64 bits: the rows in their order with `G` 4, with 2 a pair of the first sixteen and a pair
    /// of the last.
    #[inline(always)]
    fn in_order<const G: usize>(self, marks: &Marks) -> core::arch::x86_64::__m512i {
        use core::arch::x86_64::*;
        const fn order<const G: usize>() -> [u16; MARKED] {
            let mut order = [0; MARKED];
            let mut at = 0;
            while at < MARKED {
                let (word, part, k) = (at / GROUP, at % GROUP / G, at % G);
                let r = part * (MARKED * G / GROUP) + word * G + k;
                order[at] = (r / LANES * LANES + r % GROUP * GROUP + r % LANES / GROUP) as u16;
                at += 1;
            }
            order
        }
        // SAFETY: the token proves AVX-512 BW and F; both references are to 64 bytes.
        unsafe {
            let order = _mm512_loadu_si512(const { order::<G>() }.as_ptr().cast());
            _mm512_permutexvar_epi16(order, _mm512_load_si512(core::ptr::from_ref(marks).cast()))
        }
    }
}

#[cfg(target_arch = "x86_64")]
impl<const BYTES: bool> Bits for Compress<BYTES> {
    /// Pairs where vectors of 512 bits are taken in halves: eight multiply-adds of a tile of two rows then take as long as the six loads
    /// beside them, or longer.
    #[inline(always)]
    fn pairs(self) -> bool {
        Caches::here().halves
    }

    #[inline(always)]
    fn columns<const G: usize>(self, marks: &[Marks]) -> [u64; MARKED / PAIR] {
        use core::arch::x86_64::*;
        let mut words = [0; MARKED / PAIR];
        // SAFETY: the token proves AVX-512 F; the stores are into 64 bytes each.
        unsafe {
            let (mut first, mut last) = (_mm512_setzero_si512(), _mm512_setzero_si512());
            for (v, marks) in marks.iter().enumerate() {
                let marks = self.in_order::<G>(marks);
                let pairs = _mm512_or_si512(marks, _mm512_srli_epi64::<16>(marks));
                let others = _mm512_srli_epi64::<32>(pairs);
                let at = _mm_cvtsi64_si128((v * LANES) as i64);
                let word = _mm512_set1_epi64(0xffff);
                let any = if const { G == PAIR } { pairs } else { _mm512_or_si512(pairs, others) };
                first = _mm512_or_si512(first, _mm512_sll_epi64(_mm512_and_si512(any, word), at));
                let others = _mm512_and_si512(others, word);
                last = _mm512_or_si512(last, _mm512_sll_epi64(others, at));
            }
            _mm512_storeu_si512(words.as_mut_ptr().cast(), first);
            if const { G == PAIR } {
                _mm512_storeu_si512(words[MARKED / GROUP..].as_mut_ptr().cast(), last);
            }
        }
        words
    }

    #[inline(always)]
    fn rows<const G: usize>(self, marks: &Marks) -> [u32; LANES / PAIR] {
        use core::arch::x86_64::*;
        let (marks, mut words) = (self.in_order::<GROUP>(marks), [0; LANES / PAIR]);
        // A loop: a closure that is called eight times is not inlined, and then it is compiled without these instructions.
        for (q, word) in words[..LANES / G].iter_mut().enumerate() {
            let group = ((1_u16 << G) - 1) << (q * G);
            // SAFETY: the token proves AVX-512 BW and F; no memory is touched.
            *word =
                unsafe { _mm512_test_epi16_mask(marks, _mm512_set1_epi16(group.cast_signed())) };
        }
        words
    }

    #[inline(always)]
    fn numbers(self, bits: u64, from: u8, to: &mut [u8; ROOM]) -> usize {
        use core::arch::x86_64::*;
        if BYTES {
            // SAFETY: the token proves AVX-512 VBMI2, BW and F; the references cover the 64 bytes that are read and written.
            unsafe {
                let all = _mm512_loadu_si512(NUMBERS.as_ptr().cast());
                let all = _mm512_add_epi8(all, _mm512_set1_epi8(from.cast_signed()));
                _mm512_storeu_si512(to.as_mut_ptr().cast(), _mm512_maskz_compress_epi8(bits, all));
            }
            return bits.count_ones() as usize;
        }
        let mut count = 0;
        // Lists of rows have 32 bits, others mostly more: so few ends are easily foreseen.
        let pieces = if bits >> 32 == 0 { 2 } else { 4 };
        for piece in 0..pieces {
            let here = (bits >> (piece * LANES)) as u16;
            let Some(to) = to[count..].first_chunk_mut::<LANES>() else { break };
            // SAFETY: the token proves AVX-512 F; the references cover the sixteen bytes that are read and written.
            unsafe {
                let all = _mm_loadu_si128(NUMBERS[piece * LANES..].as_ptr().cast());
                let all = _mm_add_epi8(all, _mm_set1_epi8(from.cast_signed()));
                let some = _mm512_maskz_compress_epi32(here, _mm512_cvtepu8_epi32(all));
                _mm_storeu_si128(to.as_mut_ptr().cast(), _mm512_cvtepi32_epi8(some));
            }
            count += here.count_ones() as usize;
        }
        count
    }

    #[inline(always)]
    fn lanes(self, bits: u16, from: u16, to: &mut [u16; LANES]) -> usize {
        use core::arch::x86_64::*;
        // SAFETY: the token proves AVX-512 F; the references cover the sixteen bytes that are read and the 32 that are written.
        unsafe {
            let all = _mm512_cvtepu8_epi32(_mm_loadu_si128(NUMBERS.as_ptr().cast()));
            let all = _mm512_add_epi32(all, _mm512_set1_epi32(i32::from(from)));
            let some = _mm512_cvtepi32_epi16(_mm512_maskz_compress_epi32(bits, all));
            _mm256_storeu_si256(to.as_mut_ptr().cast(), some);
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
        let (words, mut lists) = (words(), [Vec::new(), Vec::new()]);
        let [bytes, sixteens] = &mut lists;
        let ran = [
            Compress::<true>::new().map(|by| by.run(Words(&words, bytes))),
            Compress::<false>::new().map(|by| by.run(Words(&words, sixteens))),
        ];
        for (list, _) in lists.iter().zip(ran).filter(|(_, ran)| ran.is_some()) {
            assert_eq!(*list, by_bits(&words));
        }
    }

    /// The lists of the low sixteen bits of some words, as those of vectors, by what is given to `run`.
    struct Vectors<'a>(&'a [u64], &'a mut Vec<u16>);

    impl Listing for Vectors<'_> {
        fn run(self, by: impl Bits) {
            for (bits, from) in self.0.iter().zip([0, 16, 1008].into_iter().cycle()) {
                let mut list = [0xffff; LANES];
                let count = by.lanes(*bits as u16, from, &mut list);
                self.1.extend_from_slice(&list[..count]);
            }
        }
    }

    #[test]
    fn lanes_that_are_set_are_listed_one_vector_behind_another() {
        let words = words();
        let lists = words.iter().zip([0, 16, 1008].into_iter().cycle());
        let expected: Vec<u16> = lists
            .flat_map(|(word, from)| {
                (0..16).filter(move |bit| word >> bit & 1 == 1).map(move |bit| from + bit)
            })
            .collect();
        let mut lists = Vec::new();
        Vectors(&words, &mut lists).run(Table);
        assert_eq!(lists, expected);
        #[cfg(target_arch = "x86_64")]
        if let Some(compress) = Compress::<false>::new() {
            lists.clear();
            compress.run(Vectors(&words, &mut lists));
            assert_eq!(lists, expected);
        }
    }

    /// What is lit in groups of some vectors: columns of rows, and of each vector rows of columns.
    type Groups = ([u64; MARKED / PAIR], Vec<[u32; LANES / PAIR]>);

    /// The groups of marked vectors, by what is given to `run`.
    struct Grouped<'a, const G: usize>(&'a [Marks], &'a mut Groups);

    impl<const G: usize> Listing for Grouped<'_, G> {
        fn run(self, by: impl Bits) {
            let rows = self.0.iter().map(|marks| by.rows::<G>(marks)).collect();
            *self.1 = (by.columns::<G>(self.0), rows);
        }
    }

    /// Vectors of 32 rows, some of which have hardly a lane lit; marked, and their groups one by one.
    fn marked<const G: usize>(seed: usize, vectors: usize) -> (Vec<Marks>, Groups) {
        let words = words();
        let lit = |v: usize, r: usize| {
            let word = words[(seed + v * MARKED + r) % words.len()];
            (word & if r.is_multiple_of(3) { u64::MAX } else { word >> 16 & word >> 32 }) as u16
        };
        let mut all = vec![Marks::default(); vectors];
        let mut groups: Groups = ([0; MARKED / PAIR], vec![[0; LANES / PAIR]; vectors]);
        for (v, r, c) in
            (0..vectors * MARKED * LANES).map(|i| (i / 512, i / LANES % MARKED, i % LANES))
        {
            all[v].set(r, lit(v, r));
            if lit(v, r) >> c & 1 == 1 {
                groups.0[r / G] |= 1 << (v * LANES + c);
                groups.1[v][c / G] |= 1 << r;
            }
        }
        (all, groups)
    }

    fn lit_where_one_of_them_is<const G: usize>() {
        for (seed, vectors) in (0..100).zip((1..=4).cycle()) {
            let (marks, expected) = marked::<G>(97 * seed, vectors);
            let mut groups = Groups::default();
            Grouped::<G>(&marks, &mut groups).run(Table);
            assert_eq!(groups, expected);
            #[cfg(target_arch = "x86_64")]
            if let Some(compress) = Compress::<false>::new() {
                compress.run(Grouped::<G>(&marks, &mut groups));
                assert_eq!(groups, expected);
            }
        }
    }

    #[test]
    fn groups_and_pairs_are_lit_where_one_of_them_is() {
        lit_where_one_of_them_is::<GROUP>();
        lit_where_one_of_them_is::<PAIR>();
    }
}
