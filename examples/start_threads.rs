//! Start threads and wait for them (seeds: 003 二、多线程; 001 多线程实现并发; 004 线程模块).
//!
//! All of it is plain `std::thread`; after `patch_all` the threads are green
//! ones, of which a hundred cost no more than a hundred small stacks.
//!
//! ```sh
//! cargo run --example start_threads
//! ```

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(100);

fn count() {
    let me = thread::current();
    let name = me.name().unwrap_or("?");
    println!("thread {name} is running...");
    for n in 1..=5 {
        println!("thread {name} >>> {n}");
        thread::sleep(PAUSE);
    }
    println!("thread {name} ended.");
}

fn work(what: &str, times: u32, name: &str) {
    for _ in 0..times {
        thread::sleep(PAUSE);
        println!("{what}-----------{name}");
    }
}

/// A thread as a type of its own: its fields are what the thread is given.
struct Request {
    url: u32,
}

impl Request {
    fn run(self) -> u32 {
        thread::sleep(PAUSE);
        self.url
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    greenroom::patch_all()?;

    // One thread with a name.
    println!("thread main is running...");
    let thread = thread::Builder::new().name("LoopThread".to_owned()).spawn(count)?;
    thread.join().expect("no panic");
    println!("thread main ended.");

    // Two at once, each with its own arguments.
    let t1 = thread::spawn(|| work("work1", 5, "ran"));
    let t2 = thread::spawn(|| work("work2", 3, "could"));
    println!("the threads do their work, and main goes on");
    t1.join().expect("no panic");
    t2.join().expect("no panic");
    println!("after join both have ended");

    // A hundred that do the same. Without `join`, `main` would not wait for
    // them: like daemon threads they end with it.
    let start = Instant::now();
    let requests = (0..100).map(|url| Request { url });
    let threads: Vec<_> = requests.map(|r| thread::spawn(move || r.run())).collect();
    let urls: Vec<u32> = threads.into_iter().map(|t| t.join().expect("no panic")).collect();
    println!("requested {urls:?}");
    println!("their pauses add up to 10 s and took {:.2} s", start.elapsed().as_secs_f64());
    Ok(())
}
