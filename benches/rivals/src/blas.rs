//! Libraries in C, loaded while running.

use crate::Rival;
use crate::job::{Job, Operands, Order};
use libloading::os::unix::Library;
use std::ffi::{CStr, c_char, c_int};
use std::path::{Path, PathBuf};

/// `cblas_sgemm`.
type Cblas = unsafe extern "C" fn(
    c_int,
    c_int,
    c_int,
    c_int,
    c_int,
    c_int,
    f32,
    *const f32,
    c_int,
    *const f32,
    c_int,
    f32,
    *mut f32,
    c_int,
);
/// `dnnl_sgemm`, for rows.
type Dnnl = unsafe extern "C" fn(
    c_char,
    c_char,
    isize,
    isize,
    isize,
    f32,
    *const f32,
    isize,
    *const f32,
    isize,
    f32,
    *mut f32,
    isize,
) -> c_int;
/// A function that names its library, or a string.
type Version = unsafe extern "C" fn() -> *const c_char;

/// What to load: file names, the product and what says the version.
struct Known {
    name: &'static str,
    /// How a file's name begins.
    file: &'static str,
    /// The name that the system's loader knows.
    system: Option<&'static str>,
    /// How the name of a library begins that it needs and does not find by itself.
    first: Option<&'static str>,
    product: &'static str,
    version: &'static str,
}

const KNOWN: [Known; 6] = [
    Known {
        name: "openblas",
        file: "libscipy_openblas.so",
        system: None,
        first: None,
        product: "scipy_cblas_sgemm",
        version: "scipy_openblas_get_config",
    },
    Known {
        name: "openblas-system",
        file: "libopenblas.so",
        system: Some("libopenblas.so.0"),
        first: None,
        product: "cblas_sgemm",
        version: "openblas_get_config",
    },
    Known {
        name: "mkl",
        file: "libmkl_rt.so",
        system: Some("libmkl_rt.so"),
        first: None,
        product: "cblas_sgemm",
        version: "",
    },
    Known {
        name: "aocl-blis",
        file: "libblis-mt",
        system: None,
        first: Some("libomp-"),
        product: "cblas_sgemm",
        version: "bli_info_get_version_str",
    },
    Known {
        name: "blis-system",
        file: "libblis.so",
        system: Some("libblis.so.4"),
        first: None,
        product: "cblas_sgemm",
        version: "bli_info_get_version_str",
    },
    Known {
        name: "onednn",
        file: "libdnnl.so",
        system: Some("libdnnl.so.2"),
        first: None,
        product: "dnnl_sgemm",
        version: "",
    },
];

/// Those that are wanted and can be loaded here.
pub(crate) fn all(wanted: impl Fn(&str) -> bool) -> Vec<(&'static str, Box<dyn Rival>)> {
    let places: Vec<PathBuf> = std::env::var_os("WEFT_RIVALS")
        .map(|p| std::env::split_paths(&p).collect())
        .unwrap_or_default();
    let mut files = Vec::new();
    places.iter().for_each(|place| libraries(place, &mut files));
    let load =
        |known: &Known| Some((known.name, Box::new(Loaded::new(known, &files)?) as Box<dyn Rival>));
    KNOWN.iter().filter(|known| wanted(known.name)).filter_map(load).collect()
}

/// All shared libraries below a folder.
fn libraries(folder: &Path, out: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut entries: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() && !path.is_symlink() {
            libraries(&path, out);
        } else if path.to_string_lossy().contains(".so") {
            out.push(path);
        }
    }
}

enum Product {
    Cblas(Cblas),
    Dnnl(Dnnl),
}

struct Loaded {
    product: Product,
    version: String,
}

impl Loaded {
    fn new(known: &Known, files: &[PathBuf]) -> Option<Loaded> {
        let begins = |path: &&PathBuf, with: &str| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(with))
        };
        let path = files.iter().find(|path| begins(path, known.file)).cloned();
        if let (Some(path), Some(first)) = (&path, known.first) {
            let near = |other: &&PathBuf| other.parent() == path.parent() && begins(other, first);
            // SAFETY: as below.
            let needed = unsafe { Library::new(files.iter().find(near)?) }.ok()?;
            Box::leak(Box::new(needed));
        }
        let path = path.or(known.system.map(PathBuf::from))?;
        // SAFETY: what it runs when it is loaded is the library's business; it stays until the end.
        let library = unsafe { Library::new(&path) }.ok()?;
        let library = Box::leak(Box::new(library));
        let product = if known.product == "dnnl_sgemm" {
            // SAFETY: the function of this name has this type (dnnl.h).
            Product::Dnnl(unsafe { *library.get::<Dnnl>(known.product.as_bytes()).ok()? })
        } else {
            // SAFETY: the function of this name has this type (cblas.h), with 32-bit integers in these builds.
            Product::Cblas(unsafe { *library.get::<Cblas>(known.product.as_bytes()).ok()? })
        };
        let version = version(known, library).unwrap_or_else(|| path.display().to_string());
        Some(Loaded { product, version })
    }
}

/// What a library says of itself.
fn version(known: &Known, library: &Library) -> Option<String> {
    if known.name == "mkl" {
        let mut text = [0; 200];
        // SAFETY: the function of this name has this type (mkl_service.h), and writes at most so many bytes. It fills them
        // with blanks and may end without a zero; the last byte, which it does not get, is one.
        unsafe {
            let of = library
                .get::<unsafe extern "C" fn(*mut c_char, c_int)>(b"mkl_get_version_string")
                .ok()?;
            of(text.as_mut_ptr(), text.len() as c_int - 1);
            return Some(CStr::from_ptr(text.as_ptr()).to_string_lossy().trim().to_owned());
        }
    }
    if known.name == "onednn" {
        // SAFETY: the function of this name has this type, and the struct begins with three ints (dnnl.h).
        unsafe {
            let of =
                library.get::<unsafe extern "C" fn() -> *const [c_int; 3]>(b"dnnl_version").ok()?;
            let [major, minor, patch] = *of();
            return Some(format!("{major}.{minor}.{patch}"));
        }
    }
    // SAFETY: the functions of these names have this type and return a string that stays.
    unsafe {
        let of = library.get::<Version>(known.version.as_bytes()).ok()?;
        Some(CStr::from_ptr(of()).to_string_lossy().trim().to_owned())
    }
}

/// The leading dimension of a matrix without gaps.
fn leading(order: Order, (rows, cols): (usize, usize)) -> usize {
    if order == Order::Rows { cols } else { rows }
}

impl Rival for Loaded {
    fn version(&self) -> String {
        self.version.clone()
    }
    fn product(&mut self, job: &Job, operands: &mut Operands) -> bool {
        match self.product {
            Product::Cblas(sgemm) => cblas(sgemm, job, operands),
            Product::Dnnl(sgemm) => dnnl(sgemm, job, operands),
        }
        true
    }
}

/// Leading dimensions of A, B and C.
fn dimensions(&Job { m, n, k, a, b, c, .. }: &Job) -> [usize; 3] {
    [leading(a, (m, k)), leading(b, (k, n)), leading(c, (m, n))]
}

fn cblas(sgemm: Cblas, job: &Job, Operands { a, b, c }: &mut Operands) {
    let order = if job.c == Order::Rows { 101 } else { 102 };
    let turned = |of: Order| if of == job.c { 111 } else { 112 };
    let (a_turned, b_turned) = (turned(job.a), turned(job.b));
    let [m, n, k] = [job.m, job.n, job.k].map(|x| x as c_int);
    let [lda, ldb, ldc] = dimensions(job).map(|x| x as c_int);
    let (alpha, beta, a, b, c) = (job.alpha, job.beta, a.as_ptr(), b.as_ptr(), c.as_mut_ptr());
    // SAFETY: `Operands::of` made the matrices for these shapes.
    unsafe { sgemm(order, a_turned, b_turned, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc) }
}

/// Its C has rows; where ours has its columns together, this is Cᵀ = Bᵀ Aᵀ.
fn dnnl(sgemm: Dnnl, job: &Job, Operands { a, b, c }: &mut Operands) {
    let turned = |of: Order| if of == job.c { b'N' } else { b'T' } as c_char;
    let [m, n, k] = [job.m, job.n, job.k].map(|x| x as isize);
    let [lda, ldb, ldc] = dimensions(job).map(|x| x as isize);
    let (a, b) = ((turned(job.a), a.as_ptr(), lda), (turned(job.b), b.as_ptr(), ldb));
    let (m, n, a, b) = if job.c == Order::Rows { (m, n, a, b) } else { (n, m, b, a) };
    let (alpha, beta, c) = (job.alpha, job.beta, c.as_mut_ptr());
    // SAFETY: `Operands::of` made the matrices for these shapes.
    unsafe { sgemm(a.0, b.0, m, n, k, alpha, a.1, a.2, b.1, b.2, beta, c, ldc) };
}
