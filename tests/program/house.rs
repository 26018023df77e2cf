//! A running program: its lines, its files, its signals.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Nothing here takes as long, whatever else the machine does.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The program with these arguments, at home in `home`.
fn command(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_patchcord"));
    command.args(arguments).current_dir(home).stdin(Stdio::null());
    command.env("HOME", home).env("XDG_STATE_HOME", home.join("state")).env_remove("PATCHCORD_LOG");
    command
}

/// Runs the program to its end.
pub fn run(home: &Path, arguments: &[&str]) -> Output {
    command(home, arguments).output().unwrap()
}

/// What a program said on one of its streams, line by line.
pub struct Lines {
    lines: Receiver<String>,
    /// All lines so far.
    pub seen: Vec<String>,
}

impl Lines {
    fn of(stream: impl Read + Send + 'static) -> Lines {
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines() {
                let Ok(line) = line else { return };
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Lines { lines, seen: Vec::new() }
    }

    /// The next line with `part` in it.
    pub fn expect(&mut self, part: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(part) {
                        return line;
                    }
                }
                Err(why) => panic!("no line says {part:?} ({why}):\n{}", self.seen.join("\n")),
            }
        }
    }

    /// A line with `part` in it, if there is one by now.
    pub fn found(&mut self, part: &str) -> Option<String> {
        self.seen.extend(self.lines.try_iter());
        self.seen.iter().find(|line| line.contains(part)).cloned()
    }

    /// The lines to the end of the stream.
    fn read_to_end(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end:\n{}", self.seen.join("\n")),
            }
        }
    }
}

/// A program that runs; it is killed when this is dropped.
pub struct Program {
    child: Child,
    /// What it prints.
    pub out: Lines,
    /// Its log.
    pub log: Lines,
}

impl Program {
    /// Starts the program.
    pub fn start(home: &Path, arguments: &[&str]) -> Program {
        let mut child = command(home, arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (out, log) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Program { child, out: Lines::of(out), log: Lines::of(log) }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: i32) {
        // SAFETY: `kill` touches no memory of ours, and the child is ours and not waited for yet.
        assert_eq!(unsafe { libc::kill(self.child.id() as i32, signal) }, 0);
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        self.log.read_to_end();
        self.out.read_to_end();
        self.child.wait().unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            self.log.seen.extend(self.log.lines.iter());
            println!("its log:\n{}", self.log.seen.join("\n"));
        }
    }
}

/// A gateway that runs by a configuration file, in a home of its own.
pub struct Gateway {
    pub program: Program,
    pub sip: SocketAddr,
    pub page: SocketAddr,
    pub home: TempDir,
}

/// The users of most tests.
pub const USERS: &str = "[[user]]\nname = \"alice\"\npassword = \"wonderland\"\n\
                         [[user]]\nname = \"bob\"\npassword = \"builder\"\n";

/// Where it listens, in most tests; to be followed by sections.
pub const LISTEN: &str = "sip.listen = \"udp:127.0.0.1:0\"\nweb.listen = \"127.0.0.1:0\"\n";

impl Gateway {
    /// A gateway on free ports of this machine, with [`USERS`] and further settings.
    pub fn start(settings: &str) -> Gateway {
        Gateway::with(&format!("{LISTEN}{settings}{USERS}"))
    }

    /// A gateway by this file.
    pub fn with(text: &str) -> Gateway {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("gateway.toml"), text).unwrap();
        let mut program = Program::start(home.path(), &["--config", "gateway.toml"]);
        let (sip, page) = greeting(&mut program);
        Gateway { program, sip, page, home }
    }

    /// Kills it without a word, and starts it anew where it was.
    pub fn kill_and_start(&mut self) {
        self.program.signal(libc::SIGKILL);
        self.program.wait();
        self.program = Program::start(self.home.path(), &["--config", "gateway.toml"]);
        (self.sip, self.page) = greeting(&mut self.program);
    }

    /// Replaces its configuration file, and tells it to read that again.
    pub fn rewrite(&self, text: &str) {
        std::fs::write(self.home.path().join("gateway.toml"), text).unwrap();
        self.program.signal(libc::SIGHUP);
    }

    /// Asks whether it is well: the status and the word.
    pub fn health(&self) -> (u16, String) {
        let mut stream = TcpStream::connect(self.page).unwrap();
        let answer = ask(&mut stream, self.page, "/health");
        let body: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        (answer.split(' ').nth(1).unwrap().parse().unwrap(), body["status"].as_str().unwrap().to_owned())
    }

    /// The records of its calls.
    pub fn records(&self) -> Vec<Value> {
        records(self.home.path())
    }
}

/// Reads the greeting: where SIP (over UDP) and the page are.
pub fn greeting(program: &mut Program) -> (SocketAddr, SocketAddr) {
    let page = program.out.expect("Softphone");
    let (_, page) = page.split_once("://").unwrap();
    let page = page.trim_end_matches('/').replace("localhost", "127.0.0.1").parse().unwrap();
    let sip = program.out.expect("SIP  ");
    let sip = sip.split_whitespace().find_map(|word| word.strip_prefix("udp:")).unwrap().parse().unwrap();
    program.out.expect("Ready.");
    (sip, page)
}

/// A request on an open connection, and the whole answer.
pub fn ask(stream: &mut (impl Read + Write), host: SocketAddr, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Where the records are by default.
pub fn records_file(home: &Path) -> PathBuf {
    home.join("state/patchcord/calls.jsonl")
}

/// The records of the program at home there.
pub fn records(home: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(records_file(home)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A port that is free over UDP and TCP, for those who must be told of each other before they start. It is
/// none of those that the system gives to whoever asks for any.
pub fn free_port() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 10_000 + (std::process::id() % 5_000) as u16;
    loop {
        let address = SocketAddr::from(([127, 0, 0, 1], first + NEXT.fetch_add(1, Ordering::Relaxed)));
        if UdpSocket::bind(address).is_ok() && TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// Waits until it is so.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "still not so: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
