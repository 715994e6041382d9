//! A server on this machine that behaves as badly as servers do.

use flate2::{Compression, write::GzEncoder};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::Duration;

/// How the server answers.
#[derive(Clone, Copy)]
pub(crate) enum Mood {
    Good,
    /// Never heard of parts of files.
    Whole,
    OtherBytes,
    Page,
    Forbidden,
    /// Sends a third of what is left, then hangs up.
    HangsUp,
    /// Sends half, then nothing more, and does not hang up.
    Stalls,
    /// Takes the request and never answers.
    Silent,
    /// Has one file and not the others.
    Only(&'static str),
    /// Sends a part that was not asked for.
    OtherPart,
    /// Says that it sends more than the file can have.
    TooLong,
    /// Does not say how much it sends, and sends ten times what the file can have.
    Endless,
    /// Announces the file and hangs up.
    Nothing,
    /// Is for ever about to answer.
    Dribbles,
    /// Sends some bytes now and then.
    Trickles,
}

/// A server that has one file under every name, and what it was asked.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// The part that each request asked for, if it asked for one.
    pub(crate) fn ranges(&self) -> Vec<Option<usize>> {
        self.requests.lock().expect("a log").iter().map(|r| range(r)).collect()
    }
}

pub(crate) fn serve(gz: &[u8], mood: Mood) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let requests = Arc::new(Mutex::new(Vec::new()));
    let (log, gz) = (Arc::clone(&requests), gz.to_vec());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = answer(stream, &gz, mood, &log);
        }
    });
    Server { url, requests }
}

/// Where the part begins that a request asks for.
fn range(request: &str) -> Option<usize> {
    let lower = request.to_lowercase();
    lower.split("range: bytes=").nth(1)?.split('-').next()?.parse().ok()
}

/// Reads a request and answers it.
fn answer(stream: TcpStream, gz: &[u8], mood: Mood, log: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut request = String::new();
    let mut lines = BufReader::new(stream.try_clone()?);
    while !request.ends_with("\r\n\r\n") {
        if lines.read_line(&mut request)? == 0 {
            return Ok(());
        }
    }
    log.lock().expect("a log").push(request.clone());
    Answer { stream, gz, range: range(&request), request }.give(mood)
}

/// What a request is answered with.
struct Answer<'a> {
    stream: TcpStream,
    gz: &'a [u8],
    request: String,
    /// Where the part begins that was asked for, if one was.
    range: Option<usize>,
}

impl Answer<'_> {
    /// Sends a body, and says how long it is.
    fn send(&mut self, status: &str, body: &[u8], length: usize) -> io::Result<()> {
        let (start, all) = (self.range.unwrap_or(0), self.gz.len());
        let head =
            format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n");
        let part = format!("Content-Range: bytes {start}-{}/{all}\r\n", all - 1);
        let part = if status.starts_with("206") { &part } else { "" };
        self.write(&format!("{head}{part}\r\n"))?;
        self.stream.write_all(body)
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        self.stream.write_all(text.as_bytes())
    }

    fn give(&mut self, mood: Mood) -> io::Result<()> {
        let gz = self.gz;
        if matches!(mood, Mood::Whole) {
            return self.send("200 OK", gz, gz.len());
        }
        let rest = gz.get(self.range.unwrap_or(0)..).unwrap_or_default();
        if rest.is_empty() {
            return self.send("416 Range Not Satisfiable", b"", 0);
        }
        let good = if self.range.is_some() { "206 Partial Content" } else { "200 OK" };
        match mood {
            Mood::Good | Mood::Whole => self.send(good, rest, rest.len()),
            Mood::Only(name) if self.request.starts_with(&format!("GET /{name}.gz ")) => {
                self.send(good, rest, rest.len())
            }
            Mood::Only(_) => self.send("404 Not Found", b"", 0),
            Mood::HangsUp => self.send(good, &rest[..rest.len() / 3 + 1], rest.len()),
            Mood::OtherBytes => {
                let other = gzip(b"something else of some length");
                self.send("200 OK", &other, other.len())
            }
            Mood::Page => self.send("200 OK", b"<!DOCTYPE html><html>Hello</html>", 33),
            Mood::Forbidden => self.send("403 Forbidden", b"no", 2),
            Mood::OtherPart => {
                self.write("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 7-9/10\r\n")?;
                self.write("Content-Length: 3\r\n\r\nabc")
            }
            Mood::TooLong => self.send("200 OK", gz, usize::MAX / 2),
            Mood::Endless => {
                self.write("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
                (0..10).try_for_each(|_| self.stream.write_all(gz))
            }
            Mood::Nothing => self.send("200 OK", b"", gz.len()),
            Mood::Stalls | Mood::Silent | Mood::Trickles | Mood::Dribbles => {
                self.wait(mood, good, rest)
            }
        }
    }

    /// The moods in which time goes by.
    fn wait(&mut self, mood: Mood, good: &str, rest: &[u8]) -> io::Result<()> {
        match mood {
            Mood::Trickles => {
                self.send(good, &rest[..100], rest.len())?;
                rest[100..].chunks(10).try_for_each(|some| {
                    sleep(Duration::from_millis(50));
                    self.stream.write_all(some)
                })
            }
            Mood::Dribbles => {
                self.write("HTTP/1.1 200 OK\r\n")?;
                (0..50).try_for_each(|i| {
                    sleep(Duration::from_millis(100));
                    self.write(&format!("X-{i}: later\r\n"))
                })
            }
            Mood::Stalls => {
                self.send(good, &rest[..rest.len() / 2], rest.len())?;
                sleep(Duration::from_secs(5));
                Ok(())
            }
            _ => {
                sleep(Duration::from_secs(5));
                Ok(())
            }
        }
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
    gz.write_all(bytes).expect("compressed in memory");
    gz.finish().expect("compressed in memory")
}
