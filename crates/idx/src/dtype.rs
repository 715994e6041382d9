//! The six element types.

/// Type of the elements, as the third byte of a file names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DType {
    /// `0x08`: unsigned byte.
    U8,
    /// `0x09`: signed byte.
    I8,
    /// `0x0B`: 16-bit integer, big-endian.
    I16,
    /// `0x0C`: 32-bit integer, big-endian.
    I32,
    /// `0x0D`: 32-bit float, big-endian.
    F32,
    /// `0x0E`: 64-bit float, big-endian.
    F64,
}

impl DType {
    /// All six.
    pub const ALL: [DType; 6] =
        [DType::U8, DType::I8, DType::I16, DType::I32, DType::F32, DType::F64];

    /// The type that a code names.
    pub fn from_code(code: u8) -> Option<DType> {
        DType::ALL.into_iter().find(|d| d.code() == code)
    }

    /// The code of the type.
    pub fn code(self) -> u8 {
        match self {
            DType::U8 => 0x08,
            DType::I8 => 0x09,
            DType::I16 => 0x0b,
            DType::I32 => 0x0c,
            DType::F32 => 0x0d,
            DType::F64 => 0x0e,
        }
    }

    /// Bytes of an element.
    pub fn size(self) -> usize {
        match self {
            DType::U8 | DType::I8 => 1,
            DType::I16 => 2,
            DType::I32 | DType::F32 => 4,
            DType::F64 => 8,
        }
    }
}

impl std::fmt::Display for DType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            DType::U8 => "u8",
            DType::I8 => "i8",
            DType::I16 => "i16",
            DType::I32 => "i32",
            DType::F32 => "f32",
            DType::F64 => "f64",
        })
    }
}

mod sealed {
    pub trait Sealed {}
}

/// A Rust type that IDX has: `u8`, `i8`, `i16`, `i32`, `f32`, `f64`.
pub trait Element: Copy + PartialEq + std::fmt::Debug + sealed::Sealed + 'static {
    /// Its code.
    const DTYPE: DType;
    /// From the big-endian bytes of one element; `None` if there are more or fewer.
    fn from_be(bytes: &[u8]) -> Option<Self>;
    /// Appends the big-endian bytes.
    fn to_be(self, out: &mut Vec<u8>);
}

macro_rules! element {
    ($($t:ty => $d:ident),*) => {$(
        impl sealed::Sealed for $t {}
        impl Element for $t {
            const DTYPE: DType = DType::$d;
            fn from_be(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(<$t>::from_be_bytes)
            }
            fn to_be(self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_be_bytes());
            }
        }
    )*};
}
element!(u8 => U8, i8 => I8, i16 => I16, i32 => I32, f32 => F32, f64 => F64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_codes_are_known_and_no_others() {
        let known: Vec<u8> = (0..=255).filter(|c| DType::from_code(*c).is_some()).collect();
        assert_eq!(known, [0x08, 0x09, 0x0b, 0x0c, 0x0d, 0x0e]);
        assert!(known.iter().all(|c| DType::from_code(*c).map(DType::code) == Some(*c)));
    }

    fn as_big_endian<T: Element>(element: T, bytes: &[u8]) {
        let mut out = vec![7];
        element.to_be(&mut out);
        assert_eq!(out[1..], *bytes, "{element:?} is appended");
        assert_eq!(T::from_be(bytes), Some(element));
        assert_eq!(T::from_be(&bytes[1..]), None);
        assert_eq!(T::from_be(&out), None);
        assert_eq!(T::DTYPE.size(), bytes.len());
        assert_eq!(T::DTYPE.to_string(), std::any::type_name::<T>());
    }

    #[test]
    fn elements_are_big_endian() {
        as_big_endian(0xfeu8, &[0xfe]);
        as_big_endian(-2i8, &[0xfe]);
        as_big_endian(-2i16, &[0xff, 0xfe]);
        as_big_endian(0x0102_0304i32, &[1, 2, 3, 4]);
        as_big_endian(1.5f32, &[0x3f, 0xc0, 0, 0]);
        as_big_endian(-2.0f64, &[0xc0, 0, 0, 0, 0, 0, 0, 0]);
    }
}
