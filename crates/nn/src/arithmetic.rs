//! What of a machine the bits of a training depend on.

use crate::error::Error;
use crate::half::{self, Precision};
use kernels::{Isa, Unit16};
use serde::{Deserialize, Serialize};

/// How sums of products are rounded. Nothing else of a machine changes a bit, so a state of a training says which it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Arithmetic {
    /// In f32, once for each multiply-add.
    Fused,
    /// In f32, once for each product and once for each sum.
    Unfused,
    /// In bf16, as AMX does.
    Amx,
    /// In bf16, as AVX-512 does.
    Avx512,
}

impl Arithmetic {
    /// That of a training here, in this precision and with these instructions.
    ///
    /// # Errors
    /// [`Error::Machine`] if this machine cannot have the precision.
    pub(crate) fn of(precision: Precision, isa: Isa) -> Result<Arithmetic, Error> {
        Ok(match precision {
            Precision::F32 if isa.fused() => Arithmetic::Fused,
            Precision::F32 => Arithmetic::Unfused,
            Precision::Bf16 if half::token(isa)?.unit() == Unit16::Tiles => Arithmetic::Amx,
            Precision::Bf16 => Arithmetic::Avx512,
        })
    }

    /// Checks that a training whose state has this arithmetic, if it says so, goes on to the same bits with the one that there is
    /// `here`.
    ///
    /// # Errors
    /// [`Error::Arithmetic`] if it does not.
    pub(crate) fn check(of_state: Option<Arithmetic>, here: Arithmetic) -> Result<(), Error> {
        match of_state {
            Some(state) if state != here => {
                Err(Error::Arithmetic { state: state.name(), here: here.name() })
            }
            _ => Ok(()),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Arithmetic::Fused => "f32 with fused multiply-adds",
            Arithmetic::Unfused => "f32 without fused multiply-adds",
            Arithmetic::Amx => "bf16 by AMX",
            Arithmetic::Avx512 => "bf16 by AVX-512",
        }
    }
}
