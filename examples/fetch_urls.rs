//! Fetch some URLs at once and wait for all: `gevent.joinall` (seed 004: 协程, gevent.joinall).
//!
//! The sites are servers of this very program, so that it runs anywhere; the
//! slowest decides how long it takes, not their sum.
//!
//! ```sh
//! cargo run --example fetch_urls
//! cargo run --example fetch_urls -- http://example.org/ http://example.com/
//! ```

use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};
use std::{env, thread};

use greenroom::{Config, joinall, spawn};

/// An ordinary, blocking HTTP client does the work.
fn f(url: &str) -> Result<usize, ureq::Error> {
    println!("GET: {url}");
    let body = ureq::get(url).call()?.body_mut().read_to_string()?;
    println!("{} bytes received from {url}.", body.len());
    Ok(body.len())
}

fn main() -> Result<(), Box<dyn Error>> {
    greenroom::patch_all()?;
    Config::new().workers(1).install()?;
    let mut urls: Vec<String> = env::args().skip(1).collect();
    if urls.is_empty() {
        urls = vec![site(3000, 1500)?, site(1000, 500)?, site(2000, 1000)?];
    }

    let start = Instant::now();
    let fetches: Vec<_> = urls.into_iter().map(|url| spawn(move || f(&url))).collect();
    let mut bytes = 0;
    for fetched in joinall(fetches) {
        bytes += fetched??;
    }
    println!("{bytes} bytes in {:.2} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// Starts a site with one page of `size` bytes, for which one waits.
fn site(size: usize, milliseconds: u64) -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/{size}", listener.local_addr()?);
    spawn(move || {
        for stream in listener.incoming().flatten() {
            spawn(move || answer(stream, size, Duration::from_millis(milliseconds)));
        }
    });
    Ok(url)
}

fn answer(mut stream: TcpStream, size: usize, wait: Duration) -> io::Result<()> {
    for line in BufReader::new(&stream).lines() {
        if line?.is_empty() {
            break;
        }
    }
    thread::sleep(wait);
    let page = "x".repeat(size);
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n{page}")
}
