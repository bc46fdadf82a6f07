//! 100,000 of std's threads at once, each in a wait of its own kind.

#[path = "threads/patched.rs"]
mod patched;

use patched::is_green;
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread::{self, JoinHandle};

const THREADS: usize = 100_000;

#[derive(Default)]
struct Crowd {
    waiting: Mutex<usize>,
    arrived: Condvar,
    open: Mutex<bool>,
    opened: Condvar,
}

impl Crowd {
    fn arrive(&self) {
        *self.waiting.lock().unwrap() += 1;
        self.arrived.notify_one();
    }
}

fn in_condvar(crowd: Arc<Crowd>) -> JoinHandle<usize> {
    thread::spawn(move || {
        crowd.arrive();
        let open = crowd.opened.wait_while(crowd.open.lock().unwrap(), |open| !*open).unwrap();
        usize::from(*open)
    })
}

fn in_recv(crowd: Arc<Crowd>) -> (JoinHandle<usize>, mpsc::Sender<usize>) {
    let (to, from) = mpsc::channel();
    let handle = thread::spawn(move || {
        crowd.arrive();
        from.recv().unwrap()
    });
    (handle, to)
}

fn in_park(crowd: Arc<Crowd>) -> JoinHandle<usize> {
    thread::spawn(move || {
        crowd.arrive();
        while !*crowd.open.lock().unwrap() {
            thread::park();
        }
        1
    })
}

#[test]
fn a_hundred_thousand_wait_wake_and_are_joined() {
    assert!(is_green());
    let crowd = Arc::new(Crowd::default());
    let (mut waiters, mut senders) = (Vec::with_capacity(THREADS), Vec::new());
    for n in 0..THREADS {
        let crowd = crowd.clone();
        waiters.push(match n % 3 {
            0 => in_condvar(crowd),
            1 => {
                let (waiter, sender) = in_recv(crowd);
                senders.push(sender);
                waiter
            }
            _ => in_park(crowd),
        });
    }
    let waiting = crowd.waiting.lock().unwrap();
    drop(crowd.arrived.wait_while(waiting, |n| *n < THREADS).unwrap());
    // No more than the workers and their helpers are kernel threads.
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().count();
    assert!(tasks < 20, "{tasks} kernel threads");
    assert!(waiters.iter().all(|waiter| !waiter.is_finished()));

    *crowd.open.lock().unwrap() = true;
    crowd.opened.notify_all();
    senders.iter().for_each(|sender| sender.send(1).unwrap());
    waiters.iter().skip(2).step_by(3).for_each(|parked| parked.thread().unpark());
    let sum: usize = waiters.into_iter().map(|waiter| waiter.join().unwrap()).sum();
    assert_eq!(sum, THREADS);
}
