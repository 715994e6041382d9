//! `weft fetch`: the data set, verified, in place.

use super::data_failure;
use crate::cli::FetchArgs;
use crate::exit::Outcome;
use crate::progress::Download;
use crate::term::{Terminal, print};
use app::datasets;

pub(crate) fn run(args: &FetchArgs, terminal: Terminal) -> Outcome {
    let named = std::env::var_os("WEFT_DATA").filter(|v| !v.is_empty()).map(Into::into);
    let folder = args.data.clone().or(named);
    let mut download = Download::new(terminal);
    let folder = datasets::fetch_into(folder, &mut |progress| download.observe(progress));
    download.finish();
    let folder = folder.map_err(data_failure)?;
    terminal.note("Fashion-MNIST is in place, and every byte is what it should be:");
    print(format_args!("{}\n", folder.display()))
}
