//! `kernels` in a program without `std`: what it computes has the bits of the scalar twins on every
//! instruction set that is found here, without a system to ask. Ends with 0 if so.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::ffi::CString;
use alloc::format;
use alloc::vec::Vec;
use core::alloc::{GlobalAlloc, Layout};
use core::ffi::{c_char, c_int, c_void};
use kernels::twin::Twin;
use kernels::*;

#[link(name = "c")]
unsafe extern "C" {
    fn aligned_alloc(align: usize, size: usize) -> *mut c_void;
    fn free(memory: *mut c_void);
    fn puts(text: *const c_char) -> c_int;
    fn abort() -> !;
}

/// The allocator of C.
struct C;

// SAFETY: the two functions of C keep this contract, for an alignment of at least a pointer's and a size that
// is a multiple of it.
unsafe impl GlobalAlloc for C {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let layout = layout.align_to(align_of::<usize>()).unwrap_or(layout).pad_to_align();
        // SAFETY: see above.
        unsafe { aligned_alloc(layout.align(), layout.size()).cast() }
    }
    unsafe fn dealloc(&self, memory: *mut u8, _: Layout) {
        // SAFETY: it came from `aligned_alloc`.
        unsafe { free(memory.cast()) }
    }
}

#[global_allocator]
static ALLOCATOR: C = C;

fn say(text: &str) {
    if let Ok(text) = CString::new(text) {
        // SAFETY: it ends with a zero.
        unsafe { puts(text.as_ptr()) };
    }
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    say(&format!("{info}"));
    // SAFETY: there is nothing to it.
    unsafe { abort() }
}

/// The `alloc` that comes with the compiler was made to unwind, which nothing does here.
#[unsafe(no_mangle)]
pub extern "C" fn rust_eh_personality() {}

/// As above.
#[unsafe(no_mangle)]
pub extern "C" fn _Unwind_Resume() -> ! {
    // SAFETY: there is nothing to it.
    unsafe { abort() }
}

/// Numbers between -1 and 1.
fn numbers(count: usize, factor: usize) -> Vec<f32> {
    (0..count).map(|i| (i * factor % 1000) as f32 / 500.0 - 1.0).collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

fn product(isa: Isa, twin: Twin) {
    let (m, n, k) = (33, 65, 300);
    let (a, b) = (numbers(m * k, 7919), numbers(k * n, 104_729));
    let (mut c, mut want) = (numbers(m * n, 31), numbers(m * n, 31));
    let (rows_of_a, rows_of_b) = (MatRef::row_major(&a, m, k), MatRef::row_major(&b, k, n));
    gemm(isa, 0.5, rows_of_a, rows_of_b, 2.0, MatMut::row_major(&mut c, m, n));
    twin.gemm((m, n, k), 0.5, &a, &b, 2.0, &mut want);
    assert_eq!(bits(&c), bits(&want), "gemm on {isa}");
}

fn elementwise(isa: Isa, twin: Twin) {
    let mut rows = numbers(7 * 10, 7919);
    let mut want = rows.clone();
    softmax(isa, &mut rows, 10);
    want.chunks_exact_mut(10).for_each(|row| _ = twin.softmax(row));
    assert_eq!(bits(&rows), bits(&want), "softmax on {isa}");

    let step = AdamStep::new(1e-3, 0.9, 0.999, 1e-7, 3);
    let (g, mut w, mut m, mut v) = (numbers(37, 3), numbers(37, 5), numbers(37, 7), [0.5; 37]);
    let (mut w2, mut m2, mut v2) = (w.clone(), m.clone(), v);
    adam_step(isa, &step, &g, &mut w, &mut m, &mut v);
    twin.adam_step(&step, &g, (&mut w2, &mut m2, &mut v2));
    assert_eq!((bits(&w), bits(&m), bits(&v)), (bits(&w2), bits(&m2), bits(&v2)), "Adam on {isa}");
}

fn layer(isa: Isa, twin: Twin) {
    let labels = [3, 1, 2];
    let logits = numbers(3 * 10, 104_729);
    let mut panel = Panel::zeros(3, 10);
    for (i, z) in logits.iter().enumerate() {
        panel.set(i / 10, i % 10, *z);
    }
    let mut losses = [RowLoss::default(); 3];
    softmax_cross_entropy(isa, &mut panel, &labels, 1.0, &mut losses);
    for (i, row) in logits.chunks_exact(10).enumerate() {
        let mut row = row.to_vec();
        let loss = twin.softmax_cross_entropy(&mut row, usize::from(labels[i]), 1.0);
        assert_eq!(losses[i].loss.to_bits(), loss.to_bits(), "loss on {isa}");
        let got: Vec<f32> = (0..10).map(|j| panel.get(i, j)).collect();
        assert_eq!(bits(&got), bits(&row), "gradient on {isa}");
    }
}

/// Where C begins programs.
#[unsafe(no_mangle)]
pub extern "C" fn main(_: c_int, _: *const *const c_char) -> c_int {
    for isa in Isa::available() {
        let twin = Twin::of(isa);
        product(isa, twin);
        elementwise(isa, twin);
        layer(isa, twin);
        say(&format!("{isa}: the bits of the twins"));
    }
    0
}
