//! An unmodified blocking HTTP client, fetching many pages at once (seed 001: 协程, aiohttp).
//!
//! `ureq` knows nothing of green threads, nor does the server at the end of this file, which
//! takes 100 ms over every page. On one OS thread all the pages arrive in little more than that.
//!
//! ```sh
//! cargo run --release --example crawl
//! ```

use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use greenroom::{Config, joinall, patch_all, spawn};

/// All connect before the site accepts any, and a listener of std's lets 128 queue.
const PAGES: usize = 100;
const THINKING: Duration = Duration::from_millis(100);

fn main() -> Result<(), Box<dyn Error>> {
    patch_all()?;
    Config::new().workers(1).install()?;
    let site = start_site()?;

    let start = Instant::now();
    let pages = crawl((0..PAGES).map(|page| format!("http://{site}/page/{page}")))?;
    let took = start.elapsed();

    let bytes: usize = pages.iter().map(String::len).sum();
    let waits = THINKING * PAGES as u32;
    println!("fetched {PAGES} pages ({bytes} bytes) in {took:.2?}");
    println!("their waits add up to {waits:.0?}");
    Ok(())
}

/// Fetches all pages at once and returns their texts in the order of `urls`.
fn crawl(urls: impl Iterator<Item = String>) -> Result<Vec<String>, Box<dyn Error>> {
    let fetches: Vec<_> = urls.map(|url| spawn(move || fetch(&url))).collect();
    joinall(fetches).into_iter().map(|fetched| Ok(fetched??)).collect()
}

fn fetch(url: &str) -> Result<String, ureq::Error> {
    ureq::get(url).call()?.body_mut().read_to_string()
}

/// Starts a web server with a green thread per connection.
fn start_site() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    spawn(move || {
        for stream in listener.incoming() {
            match stream {
                Ok(stream) => drop(spawn(move || serve(stream))),
                Err(error) => return eprintln!("the site is down: {error}"),
            }
        }
    });
    Ok(address)
}

/// Answers one request, slowly.
fn serve(mut stream: TcpStream) -> io::Result<()> {
    let mut lines = BufReader::new(&stream).lines();
    let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    for header in lines {
        if header?.is_empty() {
            break;
        }
    }
    thread::sleep(THINKING);

    let path = request.split(' ').nth(1).unwrap_or("/");
    let page = page(path);
    let length = page.len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    stream.write_all((head + &page).as_bytes())
}

fn page(path: &str) -> String {
    format!("<html><h1>Welcome to {path}</h1>{}</html>\n", "<p>Text.".repeat(100))
}

#[test]
fn the_waits_overlap() {
    patch_all().unwrap();
    Config::new().workers(1).install().unwrap();
    let site = start_site().unwrap();

    // A machine with more to do may hold one round up.
    let overlapped = (0..5).any(|_| {
        let start = Instant::now();
        let pages = crawl((0..50).map(|n| format!("http://{site}/page/{n}"))).unwrap();
        let took = start.elapsed();

        assert_eq!(pages.len(), 50);
        for (n, text) in pages.iter().enumerate() {
            assert_eq!(*text, page(&format!("/page/{n}")));
        }
        assert!(took >= THINKING, "answered too soon: {took:?}");
        took < 10 * THINKING
    });
    assert!(overlapped, "50 waits did not overlap");
}
