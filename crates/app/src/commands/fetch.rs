//! `weft fetch`: a data set, verified, in place.

use super::data_failure;
use crate::cli::FetchArgs;
use crate::exit::{Failure, Outcome};
use crate::progress::Download;
use crate::settings::DatasetName;
use crate::term::{Terminal, print};
use app::datasets;
use app::datasets::manifest::{DEFAULT, Manifest};
use std::path::PathBuf;

pub(crate) fn run(args: &FetchArgs, terminal: Terminal) -> Outcome {
    let name = args.dataset.name();
    let Some(set) = Manifest::named(&name).filter(|_| args.dataset != DatasetName::Sample) else {
        return Err(Failure::usage("there is nothing to fetch")
            .at("the sample is inside this program")
            .next("use it: weft train --dataset sample"));
    };
    let named = std::env::var_os("WEFT_DATA").filter(|v| !v.is_empty()).map(PathBuf::from);
    // Other sets lie in a folder of their own there.
    let named = named.map(|folder| if name == DEFAULT { folder } else { folder.join(&name) });
    let folder = args.data.clone().or(named);
    let mut download = Download::new(terminal);
    let folder = datasets::fetch_into(&name, folder, &mut |progress| download.observe(progress));
    download.finish();
    let folder = folder.map_err(data_failure)?;
    terminal.note(format_args!("{} is in place: {}", set.title, set.about));
    terminal.note("Every byte is what it should be:");
    print(format_args!("{}\n", folder.display()))
}
