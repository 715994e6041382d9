//! What happens on a bad argument: `xerbla_` and `cblas_xerbla`.
//!
//! Handlers belong to the program, so the library does not define them, but asks the linker for them weakly:
//! the program's own are found, linked statically or not, else those of another BLAS in the process, else
//! the pointer is null and the message is ours.

use crate::settings::say;
use core::ffi::{CStr, c_char, c_int, c_void};
use std::ffi::CString;

/// Exit status where there is no handler, that of the reference's `cblas_xerbla`.
const STATUS: i32 = -1;

/// The address of a symbol that need not exist, else null.
macro_rules! weak {
    ($name:literal) => {{
        #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
        // SAFETY: it reads a word that linker or loader has written.
        let at: *mut c_void = unsafe {
            let at;
            core::arch::asm!(
                concat!(".weak ", $name),
                concat!("mov {}, qword ptr [rip + ", $name, "@GOTPCREL]"),
                out(reg) at,
                options(nostack, preserves_flags, readonly, pure)
            );
            at
        };
        #[cfg(all(target_os = "linux", target_arch = "aarch64"))]
        // SAFETY: as above.
        let at: *mut c_void = unsafe {
            let at;
            core::arch::asm!(
                concat!(".weak ", $name),
                concat!("adrp {0}, :got:", $name),
                concat!("ldr {0}, [{0}, :got_lo12:", $name, "]"),
                out(reg) at,
                options(nostack, preserves_flags, readonly, pure)
            );
            at
        };
        #[cfg(not(all(
            target_os = "linux",
            any(target_arch = "x86_64", target_arch = "aarch64")
        )))]
        let at: *mut c_void = core::ptr::null_mut();
        at
    }};
}

/// `SUBROUTINE XERBLA(SRNAME, INFO)`, the length of the name at the end, as Fortran compilers pass it.
type Xerbla = unsafe extern "C" fn(*const c_char, *const c_int, usize);
/// `void cblas_xerbla(int info, const char *rout, const char *form, ...)`
type CblasXerbla = unsafe extern "C" fn(c_int, *const c_char, *const c_char, ...);

/// Reports a bad argument of a Fortran routine, whose name has six letters.
pub(crate) fn fortran(routine: &CStr, place: c_int) {
    let handler = weak!("xerbla_");
    if handler.is_null() {
        let name = routine.to_string_lossy();
        say(format_args!(
            "on entry to {} parameter number {place} had an illegal value",
            name.trim_end()
        ));
        std::process::exit(STATUS);
    }
    // SAFETY: a symbol of this name is that subroutine.
    unsafe {
        let handler = core::mem::transmute::<*mut c_void, Xerbla>(handler);
        handler(routine.as_ptr(), &raw const place, routine.count_bytes());
    }
}

/// Reports a bad argument of a C function: its place in the same call for column-major matrices, and what is
/// known of it.
///
/// The reference does row-major products as transposed ones and hands out the places of those; it says so in
/// `RowMajorStrg`, by which its handlers translate. Where there is no such variable the place is
/// translated here.
pub(crate) fn c(routine: &CStr, place: c_int, rows: bool, what: &str) {
    let (handler, flag) = (weak!("cblas_xerbla"), weak!("RowMajorStrg").cast::<c_int>());
    if handler.is_null() {
        let (place, name) = (if rows { turned(place) } else { place }, routine.to_string_lossy());
        let colon = if what.is_empty() { "" } else { ": " };
        let what = what.trim_end();
        say(format_args!("parameter {place} to routine {name} was incorrect{colon}{what}"));
        std::process::exit(STATUS);
    }
    // The text is without conversions, and so needs no further arguments.
    let what = CString::new(what).unwrap_or_default();
    // SAFETY: symbols of these names are that function, which does not keep the strings, and an `int`.
    unsafe {
        let handler = core::mem::transmute::<*mut c_void, CblasXerbla>(handler);
        let place = if rows && flag.is_null() { turned(place) } else { place };
        if !flag.is_null() {
            flag.write(c_int::from(rows));
        }
        handler(place, routine.as_ptr(), what.as_ptr());
        if !flag.is_null() {
            flag.write(0);
        }
    }
}

/// The place of an argument of `cblas_sgemm` when A and B, and m and n, have changed places.
fn turned(place: c_int) -> c_int {
    match place {
        4 => 5,
        5 => 4,
        9 => 11,
        11 => 9,
        other => other,
    }
}
