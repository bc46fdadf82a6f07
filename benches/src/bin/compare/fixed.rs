//! Requests at a fixed rate, whether those before are answered or not.
//!
//! Each request has the moment at which it is due. If its connection still
//! waits for an answer then, it stands in line, and what it waits there counts
//! as part of its latency: a server that stops for a while is charged with all
//! the requests that would have come in that time (*coordinated omission* is
//! when a client leaves them out).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use greenroom_bench::protocol::Outcome;

use super::asker::Asker;

/// How much longer than planned a round may take.
const GRACE: Duration = Duration::from_secs(10);

/// Nanoseconds that each request took from the moment it was due.
pub(super) fn run(asker: &mut Asker, rate: u32, time: Duration) -> Outcome<Vec<u64>> {
    let total = (time.as_secs_f64() * f64::from(rate)).ceil().max(1.0) as usize;
    let mut lines = vec![VecDeque::new(); asker.len()];
    let (mut sent, mut took) = (0, Vec::with_capacity(total));
    let start = Instant::now();
    let due = |number: usize| start + Duration::from_secs_f64(number as f64 / f64::from(rate));
    while took.len() < total {
        let now = Instant::now();
        while sent < total && due(sent) <= now {
            let place = sent % asker.len();
            if asker.is_asking(place) {
                lines[place].push_back(due(sent));
            } else {
                asker.ask(place, due(sent))?;
            }
            sent += 1;
        }
        if now > start + time + GRACE {
            return Err(format!("cannot keep up: {} of {total} answers", took.len()).into());
        }
        // Never asleep: waking up late would look like a slow server.
        let answered = asker.turn(0)?;
        let now = Instant::now();
        for &place in &answered {
            took.push((now - asker.settle(place)).as_nanos() as u64);
            if let Some(due) = lines[place].pop_front() {
                asker.ask(place, due)?;
            }
        }
        asker.recycle(answered);
    }
    Ok(took)
}

#[test]
fn a_slow_server_is_charged_for_the_line_before_it() {
    use super::workload::Ask;
    // 20 ms each on one connection, asked every 2 ms: the last of 50 waits for
    // all the others.
    let port = super::asker::tests::echo(Duration::from_millis(20));
    let mut asker = Asker::connect(port, 1, Ask::Bytes(64)).unwrap();
    let mut took = run(&mut asker, 500, Duration::from_millis(100)).unwrap();
    took.sort();
    assert_eq!(took.len(), 50);
    assert!(took[49] >= 50 * 18_000_000, "{}", took[49]);
}
