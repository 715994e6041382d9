//! Numbers as IEEE 754 has them, whatever the caller has set.

/// While it lives, this thread rounds to nearest and keeps denormals. A program may have said otherwise (one that was linked with
/// `-ffast-math` has), which the worker threads would not know: bits would depend on who computes an element.
pub(crate) struct Ieee {
    /// What the caller has set, if it is something else.
    before: Option<machine::Control>,
}

impl Ieee {
    /// From here on.
    pub(crate) fn begin() -> Ieee {
        let now = machine::get();
        let before = (now & machine::CONTROL != machine::DEFAULT).then_some(now);
        if before.is_some() {
            machine::set(now & !machine::CONTROL | machine::DEFAULT);
        }
        Ieee { before }
    }
}

impl Drop for Ieee {
    fn drop(&mut self) {
        if let Some(before) = self.before {
            // Exceptions that were raised meanwhile stay noted.
            machine::set(before | machine::get() & !machine::CONTROL);
        }
    }
}

/// MXCSR: in its low six bits the exceptions that were raised; denormals as zeros; exceptions that are masked, in six bits;
/// rounding, in two; denormal results flushed to zero.
#[cfg(target_arch = "x86_64")]
mod machine {
    use core::arch::asm;

    pub(super) type Control = u32;
    pub(super) const CONTROL: Control = 0xffc0;
    pub(super) const DEFAULT: Control = 0x1f80;

    pub(super) fn get() -> Control {
        let mut control = 0;
        // SAFETY: the register, which SSE has and so every x86-64, is stored to a variable of its size.
        unsafe {
            asm!("stmxcsr [{}]", in(reg) &raw mut control, options(nostack, preserves_flags))
        };
        control
    }

    pub(super) fn set(control: Control) {
        // SAFETY: no reserved bit is set, since the value is one that `get` gave, with the default's bits or without them.
        // Until it is set back, this thread runs with the default or, before it returns to a caller, what that had set.
        unsafe {
            asm!("ldmxcsr [{}]", in(reg) &raw const control, options(nostack, preserves_flags))
        };
    }
}

/// FPCR, all of which is control; the exceptions are noted elsewhere.
#[cfg(target_arch = "aarch64")]
mod machine {
    use core::arch::asm;

    pub(super) type Control = u64;
    pub(super) const CONTROL: Control = Control::MAX;
    pub(super) const DEFAULT: Control = 0;

    pub(super) fn get() -> Control {
        let control;
        // SAFETY: every AArch64 has the register, and programs may read it.
        unsafe { asm!("mrs {}, fpcr", out(reg) control, options(nomem, nostack, preserves_flags)) };
        control
    }

    pub(super) fn set(control: Control) {
        // SAFETY: programs may write the register; the value is 0 or one that `get` gave. Until it is set back, this thread
        // runs with the default or, before it returns to a caller, what that had set.
        unsafe { asm!("msr fpcr, {}", in(reg) control, options(nomem, nostack, preserves_flags)) };
    }
}

/// Elsewhere what the caller has set is not known.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod machine {
    pub(super) type Control = u32;
    pub(super) const CONTROL: Control = 0;
    pub(super) const DEFAULT: Control = 0;

    pub(super) fn get() -> Control {
        DEFAULT
    }

    pub(super) fn set(_: Control) {}
}
