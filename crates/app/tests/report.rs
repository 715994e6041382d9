//! The report in a real browser: headless Chromium, if it is installed.
//!
//! The browser asks for everything through a proxy that is part of the test, so nothing it fetches goes unseen.
//! Where there is no Chromium the test says so and passes, unless `WEFT_BROWSER=required`.

use serde_json::Value;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

/// Where pages are, for the browser.
const SITE: &str = "http://report.test/";

/// Loads `page.html` into a frame as wide as a phone, and writes down what it finds.
const FRAME: &str = r#"<!doctype html><title>frame</title>
<iframe id="frame" src="page.html" style="border:0" width="WIDTH" height="844"></iframe>
<pre id="found"></pre>
<script>
onload = () => {
  const frame = document.getElementById("frame"), page = frame.contentDocument;
  const found = {
    width: page.documentElement.scrollWidth,
    title: page.title,
    sections: page.querySelectorAll("main > section").length,
    pictures: page.images.length,
    missing: [...page.images].filter(image => image.naturalWidth === 0).length,
    unnamed: page.querySelectorAll("img:not([alt]), svg:not([aria-label]):not(:has(title)), th:not([scope])").length,
    tables: page.querySelectorAll("table").length,
  };
  document.getElementById("found").textContent = "FOUND" + JSON.stringify(found) + "DNUOF";
};
</script>"#;

/// A web server and proxy for one browser.
struct Proxy {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Serves these files of [`SITE`] and nothing else; remembers what was asked for.
    fn start(files: HashMap<String, String>) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (files, log) = (files.clone(), Arc::clone(&log));
                std::thread::spawn(move || answer(stream, &files, &log));
            }
        });
        Proxy { port, asked }
    }
}

fn answer(mut stream: TcpStream, files: &HashMap<String, String>, log: &Mutex<Vec<String>>) {
    let mut lines =
        BufReader::new(stream.try_clone().expect("a stream")).lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    let _ = lines.by_ref().take_while(|line| !line.is_empty()).count();
    let what = first.split(' ').nth(1).unwrap_or("").to_owned();
    log.lock().expect("a log").push(what.clone());
    let answer = match files.get(&what) {
        Some(body) => format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        ),
        None => {
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned()
        }
    };
    let _ = stream.write_all(answer.as_bytes());
}

/// What a browser made of a page.
struct Seen {
    found: Value,
    /// What it fetched besides the page itself.
    fetched: Vec<String>,
    /// What it said on the console.
    console: Vec<String>,
}

/// The browser, if there is one.
#[expect(clippy::print_stderr, reason = "who reads the tests' output must know")]
fn browser() -> Option<&'static str> {
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let there = |name: &&str| {
        Command::new(name)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|s| s.success())
    };
    let found = names.into_iter().find(there);
    let required = std::env::var("WEFT_BROWSER").is_ok_and(|value| value == "required");
    assert!(found.is_some() || !required, "WEFT_BROWSER=required, but there is no Chromium");
    if found.is_none() {
        eprintln!("skipped: no browser; install Chromium to run this test");
    }
    found
}

/// Opens a page in a frame of that width.
fn open(browser: &str, html: &str, width: u32) -> Seen {
    let frame = FRAME.replace("WIDTH", &width.to_string());
    let files = [("frame.html", frame.as_str()), ("page.html", html)];
    let proxy =
        Proxy::start(files.map(|(name, text)| (format!("{SITE}{name}"), text.to_owned())).into());
    let folder = tempfile::tempdir().expect("a folder");
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-dev-shm-usage",
        ])
        .args([
            "--enable-logging=stderr",
            "--hide-scrollbars",
            "--proxy-bypass-list=<-loopback>",
            "--dump-dom",
        ])
        .arg(format!("--proxy-server=http://127.0.0.1:{}", proxy.port))
        .arg(format!("--user-data-dir={}", folder.path().display()))
        .arg(format!("{SITE}frame.html"))
        .output()
        .expect("the browser runs");
    let (dom, log) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // The script's own text has the marks, too; what it wrote comes before.
    let found = dom.split("FOUND").nth(1).and_then(|rest| rest.split("DNUOF").next());
    let found = found.and_then(|text| serde_json::from_str(text).ok());
    let found = found.unwrap_or_else(|| panic!("nothing was found: {dom}\n{log}"));
    let asked = proxy.asked.lock().expect("a log").clone();
    // The browser itself calls home over TLS; a page here has no secure origin, so what it fetches is seen in the clear
    // or named in a tunnel to a host that is not the browser's maker's.
    let home = |what: &String| {
        what.contains("google") || what.contains("gstatic") || what.contains("gvt1")
    };
    let own =
        |what: &String| *what == format!("{SITE}frame.html") || *what == format!("{SITE}page.html");
    let favicon = |what: &String| *what == format!("{SITE}favicon.ico");
    let fetched = asked.into_iter().filter(|w| !home(w) && !own(w) && !favicon(w)).collect();
    let console = log.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect();
    Seen { found, fetched, console }
}

fn weft(folder: &Path, line: &str) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weft"));
    let status =
        command.args(line.split_whitespace()).current_dir(folder).output().expect("weft runs");
    assert!(status.status.success(), "weft {line}: {}", String::from_utf8_lossy(&status.stderr));
}

#[test]
fn a_report_opens_without_a_request_a_complaint_or_a_scroll_bar() {
    let Some(browser) = browser() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    weft(folder.path(), "train --dataset sample --epochs 2 --no-plots --quiet --out r");
    weft(folder.path(), "report r --quiet");
    let html = std::fs::read_to_string(folder.path().join("r/report.html")).expect("a report");
    for width in [390, 1200] {
        let Seen { found, fetched, console } = open(browser, &html, width);
        assert_eq!(fetched, Vec::<String>::new());
        assert_eq!(console, Vec::<String>::new());
        assert_eq!(found["width"], width, "it scrolls sideways: {found}");
        assert_eq!(found["title"], "r · weft report");
        assert_eq!(found["sections"], 11);
        assert!(
            found["pictures"].as_u64() > Some(40) && found["tables"].as_u64() > Some(4),
            "{found}"
        );
        assert_eq!((&found["missing"], &found["unnamed"]), (&0.into(), &0.into()), "{found}");
    }
}

#[test]
fn the_test_sees_what_a_bad_page_does() {
    let Some(browser) = browser() else { return };
    let bad = r#"<!doctype html><title>bad</title><main><section style="width:900px">wide</section></main>
        <img src="http://elsewhere.test/pixel.png"><script>console.error("an error")</script>"#;
    let Seen { found, fetched, console } = open(browser, bad, 390);
    assert_eq!(fetched, ["http://elsewhere.test/pixel.png"]);
    assert!(console.iter().any(|line| line.contains("an error")), "{console:?}");
    assert!(found["width"].as_u64() >= Some(900), "{found}");
    assert_eq!((&found["missing"], &found["unnamed"]), (&1.into(), &1.into()));
}
