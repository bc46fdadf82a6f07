//! A crawler that is polite: it follows every link of a site, but never asks for more than
//! eight pages at once.
//!
//! gevent's `Pool`, with an unmodified blocking HTTP client. The site stands at the end of this
//! file; it counts how many ask at the same time.
//!
//! ```sh
//! cargo run --release --example pool_crawl
//! ```

use std::collections::BTreeSet;
use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use greenroom::{Pool, patch_all, spawn};

const AT_ONCE: usize = 8;
const THINKING: Duration = Duration::from_millis(100);
/// Page n links to pages 2n and 2n+1, as long as they exist.
const PAGES: usize = 200;

fn main() -> Result<(), Box<dyn Error>> {
    patch_all()?;
    let site = Site::start()?;
    let start = Instant::now();
    let pages = crawl(&format!("http://{}", site.address), AT_ONCE)?;
    println!("found {} pages in {:.2?}", pages.len(), start.elapsed());
    println!("at most {} were asked for at once", site.busiest.load(SeqCst));
    Ok(())
}

/// The paths of all pages that can be reached from page 1.
fn crawl(site: &str, at_once: usize) -> Result<BTreeSet<String>, ureq::Error> {
    let pool = Pool::new(at_once);
    let mut seen = BTreeSet::from(["/1".to_owned()]);
    let mut todo = vec!["/1".to_owned()];
    while !todo.is_empty() {
        let base = site.to_owned();
        let fetched = pool.imap_unordered(todo, move |path| fetch(&format!("{base}{path}")));
        // As soon as one is there, the pool takes up the next.
        let mut found = Vec::new();
        for page in fetched {
            let links = links(&page?);
            found.extend(links.into_iter().filter(|link| seen.insert(link.clone())));
        }
        todo = found;
    }
    Ok(seen)
}

fn fetch(url: &str) -> Result<String, ureq::Error> {
    ureq::get(url).call()?.body_mut().read_to_string()
}

/// What stands between quotes after `href=`.
fn links(page: &str) -> Vec<String> {
    let after = page.split("href=\"").skip(1);
    after.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())).collect()
}

/// A web server with a green thread per connection.
struct Site {
    address: SocketAddr,
    busiest: Arc<AtomicUsize>,
}

impl Site {
    fn start() -> io::Result<Site> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let busiest = Arc::new(AtomicUsize::new(0));
        let (busy, most) = (Arc::new(AtomicUsize::new(0)), busiest.clone());
        spawn(move || {
            for stream in listener.incoming().flatten() {
                let (busy, most) = (busy.clone(), most.clone());
                spawn(move || {
                    most.fetch_max(busy.fetch_add(1, SeqCst) + 1, SeqCst);
                    // Before the client can know that it has been served.
                    serve(stream, || {
                        busy.fetch_sub(1, SeqCst);
                    })
                });
            }
        });
        Ok(Site { address, busiest })
    }
}

fn serve(mut stream: TcpStream, done: impl FnOnce()) -> io::Result<()> {
    let mut lines = BufReader::new(&stream).lines();
    let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    for header in lines {
        if header?.is_empty() {
            break;
        }
    }
    thread::sleep(THINKING);

    let number = request.split(['/', ' ']).nth(2).and_then(|n| n.parse().ok()).unwrap_or(0);
    let page: String = [2 * number, 2 * number + 1]
        .iter()
        .filter(|n| (1..=PAGES).contains(n))
        .map(|n| format!("<a href=\"/{n}\">page {n}</a>\n"))
        .collect();
    let length = page.len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    done();
    stream.write_all((head + &page).as_bytes())
}

#[test]
fn all_pages_and_never_too_many_at_once() {
    patch_all().unwrap();
    let site = Site::start().unwrap();
    let start = Instant::now();
    let pages = crawl(&format!("http://{}", site.address), AT_ONCE).unwrap();
    let took = start.elapsed();

    assert_eq!(pages, (1..=PAGES).map(|n| format!("/{n}")).collect());
    assert_eq!(site.busiest.load(SeqCst), AT_ONCE);
    let one_by_one = THINKING * PAGES as u32;
    assert!(took >= one_by_one / AT_ONCE as u32, "too many at once: {took:?}");
    assert!(took < one_by_one, "one after the other: {took:?}");
}
