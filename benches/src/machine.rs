//! What a record says of the machine, and how it is written.

use serde::Serialize;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

/// The processor's name, family and model, as Linux tells it.
pub fn cpu() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let value = text.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            (key.trim() == name).then(|| value.trim().to_owned())
        });
        value.unwrap_or_else(|| "unknown".to_owned())
    };
    format!("{}, family {}, model {}", field("model name"), field("cpu family"), field("model"))
}

/// The compiler that is used here.
pub fn rustc() -> String {
    let output = Command::new("rustc").arg("--version").output();
    output.map_or_else(
        |_| "unknown".to_owned(),
        |o| String::from_utf8_lossy(&o.stdout).trim().to_owned(),
    )
}

/// Writes rows as CSV below lines that say what was measured, with what, where and when.
///
/// # Errors
/// The file cannot be written, or a row is no record.
pub fn record<R: Serialize>(file: &Path, command: &str, rows: &[R]) -> Result<(), String> {
    let mut text = String::new();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let date = jiff::Zoned::now().strftime("%F");
    let _ = writeln!(text, "# {command}\n# {date}\n# {}, {threads} cores\n# {}", cpu(), rustc());
    let mut writer = csv::Writer::from_writer(Vec::new());
    rows.iter().try_for_each(|row| writer.serialize(row)).map_err(|e| e.to_string())?;
    text += &String::from_utf8_lossy(&writer.into_inner().map_err(|e| e.to_string())?);
    std::fs::write(file, text).map_err(|e| format!("{}: {e}", file.display()))
}
