//! Serve a web site, thousands of slow requests at once (seed 002: aiohttp, / and /hello/{name}).
//!
//! `httparse` reads the requests, the rest is plain std. Both pages take half a
//! second, which costs no more than a green thread that sleeps.
//!
//! ```sh
//! cargo run --release --example serve_site                    # asks itself 2000 times at once
//! cargo run --release --example serve_site -- 127.0.0.1:8000  # serves until you stop it
//! ```

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};
use std::{env, thread};

use greenroom::{joinall, spawn};

const PAUSE: Duration = Duration::from_millis(500);

fn index(_name: &str) -> String {
    thread::sleep(PAUSE);
    "<h1>Index</h1>".to_owned()
}

fn hello(name: &str) -> String {
    thread::sleep(PAUSE);
    format!("<h1>hello, {}!</h1>", escape(name))
}

/// Makes a page, of what stands for `{name}` in the path.
type Handler = fn(&str) -> String;

const ROUTES: &[(&str, Handler)] = &[("/", index), ("/hello/{name}", hello)];

fn page(path: &str) -> Option<String> {
    ROUTES.iter().find_map(|(pattern, handler)| match pattern.strip_suffix("{name}") {
        Some(start) => {
            let name = path.strip_prefix(start)?;
            (!name.is_empty() && !name.contains('/')).then(|| handler(&unquote(name)))
        }
        None => (path == *pattern).then(|| handler("")),
    })
}

/// A visitor must not be able to write HTML into the page.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// In a path, `caf%C3%A9` is `café`.
fn unquote(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend(before.as_bytes());
        let code = after.get(..2).map(|hex| u8::from_str_radix(hex, 16));
        match code {
            Some(Ok(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(b'%');
                rest = after;
            }
        }
    }
    bytes.extend(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Method and path of the next request; `None` if the visitor has gone.
/// `received` keeps what came after it.
fn read_request(
    stream: &mut TcpStream,
    received: &mut Vec<u8>,
) -> io::Result<Option<(String, String)>> {
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut headers);
        let parsed = request.parse(received).map_err(io::Error::other)?;
        if let (httparse::Status::Complete(length), Some(method), Some(path)) =
            (parsed, request.method, request.path)
        {
            let request = (method.to_owned(), path.to_owned());
            received.drain(..length);
            return Ok(Some(request));
        }
        let mut buffer = [0; 4096];
        let more = stream.read(&mut buffer)?;
        if more == 0 || received.len() > 65536 {
            return Ok(None);
        }
        received.extend(&buffer[..more]);
    }
}

/// Answers one request after the other, until the visitor goes.
fn serve(mut stream: TcpStream) -> io::Result<()> {
    let mut received = Vec::new();
    while let Some((method, path)) = read_request(&mut stream, &mut received)? {
        if method != "GET" {
            // It may have a body, which nobody here would read.
            let status = "HTTP/1.1 405 Method Not Allowed";
            return write!(stream, "{status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
        let (status, body) = match page(&path) {
            Some(page) => ("200 OK", page),
            None => ("404 Not Found", "404: Not Found".to_owned()),
        };
        let kind = "Content-Type: text/html; charset=utf-8";
        let length = body.len();
        write!(stream, "HTTP/1.1 {status}\r\n{kind}\r\nContent-Length: {length}\r\n\r\n{body}")?;
    }
    Ok(())
}

fn serve_forever(listener: TcpListener) {
    for stream in listener.incoming() {
        match stream {
            Ok(stream) => drop(spawn(move || serve(stream))),
            Err(error) => {
                eprintln!("no visitor: {error}");
                thread::sleep(Duration::from_millis(10)); // perhaps there are files again
            }
        }
    }
}

/// Lets this process open as many files as it may.
fn raise_file_limit() -> io::Result<usize> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls only read or write the structure.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) != 0 {
            return Err(io::Error::last_os_error());
        }
        limit.rlim_cur = limit.rlim_max;
        if libc::setrlimit(libc::RLIMIT_NOFILE, &limit) != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(usize::try_from(limit.rlim_max).unwrap_or(usize::MAX))
}

/// How many may wait to be accepted: std says 128, too few for a crowd.
fn let_queue(listener: &TcpListener, visitors: i32) -> io::Result<()> {
    // SAFETY: takes two numbers. On a socket that listens it changes the second.
    match unsafe { libc::listen(listener.as_raw_fd(), visitors) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The body of the page at `path`.
fn get(site: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(site)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: here\r\n\r\n")?;
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    let (_header, body) = response.split_once("\r\n\r\n").ok_or(io::ErrorKind::InvalidData)?;
    Ok(body.to_owned())
}

fn visit(site: SocketAddr, visitors: usize) -> Result<(), Box<dyn Error>> {
    for path in ["/", "/hello/world", "/hello/caf%C3%A9", "/hello/%3Cscript%3E", "/nowhere"] {
        println!("{path}: {}", get(site, path)?);
    }
    let start = Instant::now();
    let mut answers = Vec::new();
    for n in 0..visitors {
        answers.push(spawn(move || get(site, &format!("/hello/{n}"))));
    }
    let mut right = 0;
    for (n, answer) in joinall(answers).into_iter().enumerate() {
        right += usize::from(answer?? == format!("<h1>hello, {n}!</h1>"));
    }
    let waits = PAUSE.as_secs_f64() * visitors as f64;
    let took = start.elapsed().as_secs_f64();
    println!("{right} visitors at once; their waits add up to {waits} s and took {took:.2} s");
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    greenroom::patch_all()?;
    let files = raise_file_limit()?;
    let address = env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:0"))?;
    let_queue(&listener, 4096)?;
    let site = listener.local_addr()?;
    println!("Server started at http://{site}...");
    let server = spawn(|| serve_forever(listener));
    match address {
        Some(_) => Ok(server.join()?),
        // Each visitor has a socket at either end.
        None => visit(site, 2000.min(files.saturating_sub(100) / 2)),
    }
}
