//! `include/weft_blas.h` is what cbindgen makes of the sources.

use std::path::Path;

/// To write it anew: `WEFT_WRITE_HEADER=1 cargo test -p cblas --test header`.
#[test]
fn the_header_is_current() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(here.join("cbindgen.toml")).expect("cbindgen.toml");
    let made = cbindgen::Builder::new()
        .with_config(config)
        .with_src(here.join("src/edge.rs"))
        .generate()
        .expect("cbindgen reads the sources");
    let mut header = Vec::new();
    made.write(&mut header);
    let path = here.join("include/weft_blas.h");
    if std::env::var_os("WEFT_WRITE_HEADER").is_some() {
        std::fs::write(&path, &header).expect("the header is written");
    }
    let header = String::from_utf8(header).expect("C is text");
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == header,
        "{} is not what cbindgen makes of the sources; to write it anew: \
         WEFT_WRITE_HEADER=1 cargo test -p cblas --test header",
        path.display()
    );
}
