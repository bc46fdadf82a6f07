//! That each contender does each workload, and that the suite measures, shows
//! failures as such, and writes its files.

#![cfg(feature = "peers")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const GREEN: &str = env!("CARGO_BIN_EXE_contender_greenroom");
const PEERS: &str = env!("CARGO_BIN_EXE_contender_peers");
const COMPARE: &str = env!("CARGO_BIN_EXE_compare");

const CONTENDERS: [(&str, &str); 9] = [
    (GREEN, "greenroom-shared"),
    (GREEN, "greenroom-own"),
    (GREEN, "patched-shared"),
    (GREEN, "patched-own"),
    (PEERS, "os-threads"),
    (PEERS, "may"),
    (PEERS, "tokio-current"),
    (PEERS, "tokio-multi"),
    (PEERS, "smol"),
];

struct Contender(Child);

impl Contender {
    fn start(program: &str, words: &[&str]) -> Contender {
        let mut command = Command::new(program);
        command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped());
        Contender(command.spawn().unwrap())
    }

    /// The next line, word by word.
    fn hear(&mut self) -> Vec<String> {
        let mut line = String::new();
        // A line at a time is said, and no more before it is asked for.
        BufReader::with_capacity(64, self.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        line.split_whitespace().map(str::to_owned).collect()
    }

    fn round(&mut self) -> (u64, u64) {
        self.0.stdin.as_mut().unwrap().write_all(b"round 2\n").unwrap();
        let words = self.hear();
        assert_eq!((words[0].as_str(), words.len()), ("done", 3));
        (words[1].parse().unwrap(), words[2].parse().unwrap())
    }
}

impl Drop for Contender {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn everybody_does_what_is_done_inside() {
    let tasks = [
        ("yield", 3),
        ("spawn", 0),
        ("burst", 20),
        ("channel", 0),
        ("many-to-one", 0),
        ("mutex", 3),
    ];
    for (program, name) in CONTENDERS {
        for (workload, number) in
            tasks.into_iter().chain([("timer", 100), ("idle", 100), ("lateness", 10)])
        {
            for cores in ["1", "2"] {
                let words = [name, workload, &number.to_string(), cores, "0"];
                let mut contender = Contender::start(program, &words);
                assert_eq!(contender.hear(), ["ready", "0"], "{words:?}");
                let (count, amount) = contender.round();
                assert!(count > 0 && amount > 0, "{words:?}: {count} {amount}");
            }
        }
    }
}

#[test]
fn those_that_can_select_do() {
    for (program, name) in CONTENDERS {
        if ["patched-own", "os-threads"].contains(&name) {
            continue; // std has nothing for it
        }
        let mut contender = Contender::start(program, &[name, "select", "0", "1", "0"]);
        assert_eq!(contender.hear(), ["ready", "0"], "{name}");
        assert!(contender.round().0 > 0, "{name}");
    }
}

fn start_server(program: &str, name: &str, workload: &str, backend: &str) -> (Contender, String) {
    let mut server = Contender::start(program, &[name, workload, "64", "1", backend]);
    let words = server.hear();
    assert_eq!((words[0].as_str(), words.len()), ("ready", 2), "{name} {workload}");
    (server, words[1].clone())
}

/// What comes back for `request`, after which the server is told that no more
/// will follow.
fn exchange(port: &str, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(request).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

#[test]
fn everybody_serves() {
    let (_backend, backend) = start_server(PEERS, "raw-epoll", "echo", "0");
    let request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(20);
    for (program, name) in CONTENDERS.into_iter().chain([(PEERS, "raw-epoll")]) {
        for workload in ["echo", "short", "proxy"] {
            if (name, workload) == ("raw-epoll", "proxy") {
                continue;
            }
            let (_server, port) = start_server(program, name, workload, &backend);
            assert_eq!(exchange(&port, &[42; 64]), [42; 64], "{name} {workload}");
        }
        let (_server, port) = start_server(program, name, "http", "0");
        let answer = String::from_utf8(exchange(&port, &request)).unwrap();
        assert_eq!(answer.matches("200 OK").count(), 20, "{name}");
        assert!(answer.ends_with("Hello, World!"), "{name}");
    }
}

#[test]
fn servers_of_http_alone_serve_it() {
    for name in ["hyper", "may_minihttp"] {
        let (_server, port) = start_server(PEERS, name, "http", "0");
        let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(3)).unwrap();
        let (mut text, mut piece) = (String::new(), [0; 1000]);
        while text.matches("Hello, World!").count() < 3 {
            let n = stream.read(&mut piece).unwrap();
            assert!(n > 0, "{name}: {text:?}");
            text += std::str::from_utf8(&piece[..n]).unwrap();
        }
        assert_eq!(text.matches("200 O").count(), 3, "{name}: {text:?}");
    }
}

#[test]
fn everybody_asks_many_at_once() {
    let (_backend, backend) = start_server(PEERS, "raw-epoll", "echo", "0");
    for (program, name) in CONTENDERS {
        let mut contender = Contender::start(program, &[name, "fan-out", "3", "1", &backend]);
        assert_eq!(contender.hear(), ["ready", "0"], "{name}");
        assert!(contender.round().0 > 0, "{name}");
    }
}

/// greenroom's symbols would take the place of libc's for the others as well.
#[test]
fn no_part_of_greenroom_is_in_the_peers() {
    let exported = |program: &str| {
        let text = fs::read(program).unwrap();
        let name = b"greenroom::patch";
        let mangled = b"greenroom5patch";
        [&name[..], &mangled[..]].iter().any(|name| text.windows(name.len()).any(|at| at == *name))
    };
    assert!(exported(GREEN));
    assert!(!exported(PEERS));
}

#[test]
fn the_suite_measures_and_writes() {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("suite");
    let mut command = Command::new(COMPARE);
    command.args(["--rounds", "2", "--millis", "20", "--limit", "20", "--out"]).arg(&out);
    for only in ["spawn-1000", "echo-1", "short", "latency-20k", "idle-10000"] {
        command.args(["--only", only]);
    }
    for with in ["greenroom-shared", "patched-own", "tokio-current", "raw-epoll", "may"] {
        command.args(["--with", with]);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for workload in ["spawn-1000", "echo-1", "echo-1000", "short", "latency-20k"] {
        assert!(text.contains(&format!("### {workload}: ")), "{workload} is missing in\n{text}");
        let picture = fs::read_to_string(out.join(format!("{workload}.svg"))).unwrap();
        assert!(picture.contains("tokio-current"), "{workload}");
    }
    assert!(out.join("echo-by-connections.svg").exists());

    let again = Command::new(COMPARE).arg("--tables").arg(out.join("results.json")).output();
    assert_eq!(String::from_utf8(again.unwrap().stdout).unwrap().trim(), text.trim());
}
