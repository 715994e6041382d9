use crate::Room;

pub(crate) const COMMANDS: [&str; 16] = [
    "fetch",
    "train",
    "lr-find",
    "eval",
    "predict",
    "plot",
    "report",
    "show",
    "data",
    "runs",
    "runs compare",
    "data pack",
    "export",
    "import",
    "info",
    "completions",
];

#[test]
fn every_command_has_help_with_examples() {
    let room = Room::new();
    for command in COMMANDS {
        let help = room.good(&format!("{command} --help")).out;
        assert!(help.contains(&format!("Usage: weft {command}")), "{help}");
        assert!(help.contains("\nExamples:\n"), "{help}");
        assert!(help.contains(&format!("\n  weft {command}")), "{help}");
    }
}

#[test]
fn examples_in_the_help_are_command_lines_that_parse() {
    let room = Room::new();
    for command in COMMANDS {
        let help = room.good(&format!("{command} --help")).out;
        let examples = help.split("\nExamples:\n").nth(1).expect("examples");
        for line in examples.lines().filter_map(|l| l.strip_prefix("  weft ")) {
            let line = line.split(['|', '>']).next().expect("a first part");
            // `--help` at the end keeps the command from running, but not its options from being parsed.
            let done = room.weft(&format!("{line} --help"));
            assert_eq!(done.code, Some(0), "weft {line}: {}", done.err);
        }
    }
}

#[test]
fn lines_of_the_help_are_broken_only_where_they_are_full() {
    let room = Room::new();
    for command in COMMANDS {
        let help = room.good(&format!("{command} --help")).out;
        let lines: Vec<&str> = help.lines().collect();
        for pair in lines.windows(2) {
            let [line, next] = pair else { unreachable!("two lines") };
            let prose = |line: &str| !line.is_empty() && !line.starts_with(' ');
            if prose(line) && prose(next) && !line.ends_with(':') {
                let word = next.split(' ').next().map_or(0, |word| word.chars().count());
                assert!(line.chars().count() + 1 + word > 100, "weft {command}: {line}");
            }
        }
    }
}

#[test]
fn the_help_lists_commands_and_exit_codes() {
    let help = Room::new().good("--help").out;
    for command in COMMANDS.into_iter().filter(|command| !command.contains(' ')) {
        assert!(help.contains(&format!("\n  {command} ")), "{command}: {help}");
    }
    let codes = help.split("\nExit codes:\n").nth(1).expect("exit codes");
    let codes: Vec<_> = codes.lines().filter_map(|l| l.trim().split(' ').next()).collect();
    assert_eq!(codes, ["0", "1", "2", "3", "4", "5", "6", "129", "130"]);
}

#[test]
fn no_command_says_what_to_do_first() {
    let done = Room::new().good("");
    assert!(done.out.contains("weft train"), "{}", done.out);
    assert!(done.out.contains("--dataset sample"), "{}", done.out);
    assert_eq!(done.err, "");
}

#[test]
fn the_version_is_that_of_the_package() {
    let version = Room::new().good("--version").out;
    assert_eq!(version.trim(), format!("weft {}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn info_lists_the_instruction_sets_and_where_data_is_looked_for() {
    let room = Room::new();
    let told = room.good("info --isa portable --threads 3").out;
    for isa in nn::Isa::available() {
        assert!(told.contains(isa.name()), "{isa}: {told}");
    }
    assert!(told.contains("chosen            portable"), "{told}");
    assert!(told.contains("threads           3 of "), "{told}");
    assert!(told.contains(&room.path("cache").display().to_string()), "{told}");
}

#[test]
fn info_does_not_say_that_data_is_used_where_train_would_not() {
    let room = Room::new();
    // The place that comes next if none is named.
    room.put_sample("data");
    assert!(room.good("info").out.contains("found, used  data\n"));
    let found = room.good("info --data data").out;
    assert!(found.contains("  --data      found, used  data\n"), "{found}");
    let named = room.good("info --data nowhere").out;
    let variable = room.command("info").env("WEFT_DATA", "nowhere").output().expect("weft runs");
    for (told, what) in [(named, "--data"), (crate::done(&variable).out, "$WEFT_DATA")] {
        assert!(
            told.contains(&format!("  {what:<10}  -            nowhere\nand nowhere else")),
            "{told}"
        );
        assert!(!told.contains("found"), "{told}");
    }
}

#[test]
fn info_shows_what_a_model_is_made_of() {
    let room = Room::new();
    room.train("r", "--hidden 24,16 --epochs 1 --seed 9 --quiet");
    let told = room.good("info --model r").out;
    for part in ["dense, relu", "18,840", "seed     9", "Ankle boot", env!("CARGO_PKG_VERSION")] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[test]
fn the_readme_lists_the_exit_codes_of_the_help() {
    let readme = std::fs::read_to_string("../../README.md").expect("the README");
    let help = Room::new().good("--help").out;
    let rows = help.split("\nExit codes:\n").nth(1).expect("exit codes").lines();
    for row in rows.map(str::trim).take_while(|row| !row.starts_with("130")) {
        let (code, what) = row.split_once(' ').expect("a code and what it means");
        let row = format!("| {code} | {} |", what.trim());
        assert!(readme.contains(&row), "the README lacks {row}");
    }
}

#[test]
fn completions_know_the_commands_and_their_options() {
    let room = Room::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = room.good(&format!("completions {shell}")).out;
        for word in ["train", "compare", "batch-size"] {
            assert!(script.contains(word), "{shell} lacks {word}");
        }
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn bash_takes_the_completions() {
    let room = Room::new();
    let script = room.good("completions bash").out;
    std::fs::write(room.path("weft.bash"), script).expect("a file");
    let line = "source weft.bash; COMP_WORDS=(weft train --batch-s); COMP_CWORD=2; \
                _weft weft --batch-s train; echo \"${COMPREPLY[@]}\"";
    let bash =
        std::process::Command::new("bash").args(["-c", line]).current_dir(room.path(".")).output();
    match bash {
        Ok(done) => assert_eq!(String::from_utf8_lossy(&done.stdout).trim(), "--batch-size"),
        Err(error) => println!("no bash here: {error}"),
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let room = Room::new();
    let paths = room.good("man pages").out;
    for command in COMMANDS {
        let page = format!("pages/weft-{}.1", command.replace(' ', "-"));
        assert!(paths.contains(&page), "{page}: {paths}");
        let text = room.text(&page);
        assert!(text.contains(".SH SYNOPSIS") && text.contains("Examples:"), "{text}");
    }
    // What is not indented is filled up to a paragraph.
    let page = room.text("pages/weft.1");
    let codes = page.split("Exit codes:\n").nth(1).expect("exit codes");
    let codes: Vec<_> = codes.lines().take_while(|line| !line.starts_with('.')).collect();
    assert!(codes.len() == 9 && codes.iter().all(|line| line.starts_with("  ")), "{codes:?}");
}
