//! Green threads that live no longer than the block they were started in, and borrow what it
//! owns: a structured "all of these, or none".
//!
//! As `std::thread::scope`; Trio calls it a nursery. The first three words that are found win,
//! and the first searcher that fails ends the others.
//!
//! ```sh
//! cargo run --example nursery
//! ```

use std::time::Duration;

use greenroom::queue::Queue;
use greenroom::{JoinError, scope, sleep};

const TEXTS: [&str; 4] =
    ["threads and processes", "queues and sockets", "generators and greenlets", "select"];

/// All searchers borrow the texts and the queue; when the block is left, none is alive.
fn first_three(texts: &[&str], word: &str) -> Vec<usize> {
    let found = Queue::new();
    scope(|s| {
        for (n, text) in texts.iter().enumerate() {
            let found = &found;
            s.spawn(move || {
                for candidate in text.split(' ') {
                    sleep(Duration::from_millis(1)); // it is hard work
                    if candidate == word {
                        found.put(n).expect("nobody shuts it down");
                    }
                }
            });
        }
        let mut first: Vec<_> = (0..3).filter_map(|_| found.get().ok()).collect();
        s.kill(); // the others need not go on
        first.sort_unstable();
        first
    })
}

/// One fails, and its siblings end with it.
fn all_or_none(texts: &[&str]) -> Result<usize, JoinError> {
    scope(|s| {
        s.kill_on_failure();
        let lengths: Vec<_> = texts.iter().map(|text| s.spawn(|| length(text))).collect();
        // All are asked: a panic that nobody asks for comes out of the scope.
        let lengths: Vec<_> = lengths.into_iter().map(|one| one.join()).collect();
        lengths.into_iter().sum()
    })
}

fn length(text: &str) -> usize {
    if text.is_empty() {
        panic!("an empty text");
    }
    sleep(Duration::from_millis(20));
    text.len()
}

fn main() {
    println!("found in {:?}", first_three(&TEXTS, "and"));
    println!("together {:?}", all_or_none(&TEXTS));
    println!("together {:?}", all_or_none(&["one", "", "three"]));
}

#[test]
fn they_end_with_their_block() {
    assert_eq!(first_three(&TEXTS, "and"), [0, 1, 2]);
    assert_eq!(all_or_none(&TEXTS).unwrap(), 69);
    assert!(all_or_none(&["one", "", "three"]).is_err());
}
