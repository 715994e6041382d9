//! `weft info`: what this machine can do, where the data is, what a model is made of.

use super::load;
use crate::columns::plain;
use crate::config::{Info, available_threads};
use crate::exit::Outcome;
use crate::term::{Terminal, print};
use app::datasets;
use nn::Isa;
use std::fmt::Write as _;
use std::path::Path;

pub(crate) fn run(config: &Info, _: Terminal) -> Outcome {
    let mut text = machine(config);
    text.push_str(&data(config));
    if let Some(path) = &config.model {
        text.push_str(&model(path)?);
    }
    print(text)
}

fn machine(config: &Info) -> String {
    let isas: Vec<&str> = Isa::available().into_iter().map(Isa::name).collect();
    let rounding = if config.machine.isa.fused() {
        ""
    } else {
        "; it rounds twice where others round once, so results differ in the last bits"
    };
    let mut text = String::new();
    let build = if cfg!(debug_assertions) { " (a debug build: slow)" } else { "" };
    let _ = writeln!(text, "weft {}{build}", env!("CARGO_PKG_VERSION"));
    let _ = writeln!(text, "  CPU               {}", cpu_name());
    let _ = writeln!(text, "  instruction sets  {}", isas.join(", "));
    let _ = writeln!(text, "  chosen            {}{rounding}", config.machine.isa);
    let _ = writeln!(
        text,
        "  threads           {} of {} that this process may use",
        config.machine.all_threads(),
        available_threads()
    );
    text
}

fn data(config: &Info) -> String {
    let mut text = "\nFashion-MNIST is looked for in\n".to_owned();
    let mut used = false;
    let places = datasets::places(&config.data);
    for (what, folder, there) in &places {
        let state = match (*there, used) {
            (true, false) => "found, used",
            (true, true) => "found",
            (false, _) => "-",
        };
        used |= there;
        let _ = writeln!(text, "  {what:<10}  {state:<11}  {}", folder.display());
    }
    if !used {
        text.push_str(match &places[..] {
            [_] => "and nowhere else, but is not there: `weft fetch --data DIR` puts it into a folder.\n",
            _ => "and is in none of them: `weft fetch` gets it.\n",
        });
    }
    text
}

fn model(path: &Path) -> Outcome<String> {
    let loaded = load(path)?;
    let metadata = &loaded.metadata;
    let mut text = format!("\n{}\n", path.display());
    for line in loaded.model.summary().lines() {
        let _ = writeln!(text, "  {line}");
    }
    let _ = writeln!(text, "  classes  {}", plain(&loaded.class_names(None).join(", ")));
    let _ = writeln!(text, "  seed     {}", metadata.seed);
    let data = metadata.data_hash.as_deref().unwrap_or("not recorded");
    let _ = writeln!(text, "  data     {}", plain(data));
    let _ = writeln!(text, "  made by  weft {}", plain(&metadata.weft_version));
    Ok(text)
}

/// Bytes of memory that this process can have at most, swap included, where the system tells: Linux does.
pub(super) fn memory() -> Option<u64> {
    let told = std::fs::read_to_string("/proc/meminfo").ok()?;
    let bytes = |name: &str| {
        let line = told.lines().find_map(|line| line.strip_prefix(name))?;
        let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(1024 * kilobytes)
    };
    let machine = bytes("MemTotal:")? + bytes("SwapTotal:").unwrap_or(0);
    // Of a container; `max` where there is no limit.
    let group = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let group = group.and_then(|limit| limit.trim().parse().ok());
    Some(group.map_or(machine, |limit: u64| limit.min(machine)))
}

/// What the CPU calls itself, where the system tells; else its architecture.
pub(super) fn cpu_name() -> String {
    let told = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = told.lines().find(|l| l.starts_with("model name"));
    let name = line.and_then(|l| l.split_once(": ")).map(|(_, name)| name.trim().to_owned());
    name.unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}
