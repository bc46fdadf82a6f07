//! Nobody is told of a stall while something can still wake somebody.

mod common;

use common::{Ended, in_child, until};
use std::io::Read;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Several times as long as everybody must have slept before somebody looks.
const LONG: Duration = Duration::from_millis(150);

fn workers(n: &str) -> [(&str, &str); 1] {
    [("GREENROOM_WORKERS", n)]
}

#[track_caller]
fn quiet(ended: Ended) {
    ended.assert_success();
    ended.assert_says("stalled", 0);
    ended.assert_says("deadlock", 0);
}

/// Busy with something that is no wait for others, on an OS thread.
fn os_pause() {
    greenroom::patch::native(|| thread::sleep(LONG));
}

#[test]
fn a_server_without_clients() {
    quiet(in_child(&workers("2"), || {
        greenroom::patch_all().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = greenroom::spawn(move || listener.accept().unwrap().0);
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        greenroom::spawn(move || socket.recv(&mut [0]));
        let client = thread::Builder::new().spawn(move || {
            greenroom::patch::native(|| thread::sleep(LONG * 2));
            std::net::TcpStream::connect(address).unwrap()
        });
        server.join().unwrap();
        client.unwrap().join().unwrap();
    }));
}

#[test]
fn only_a_reader_of_a_pipe_and_its_joiner() {
    quiet(in_child(&workers("1"), || {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (mut from, to) = os_pipe();
        let mut child = Command::new("sleep").arg("0.4").stdout(to).spawn().unwrap();
        let green = greenroom::spawn(move || {
            greenroom::io::wait_readable(&from, None).unwrap();
            from.read(&mut [0]).unwrap()
        });
        assert_eq!(green.join().unwrap(), 0);
        child.wait().unwrap();
        drop((ours, theirs));
    }));
}

fn os_pipe() -> (std::io::PipeReader, std::io::PipeWriter) {
    std::io::pipe().unwrap()
}

#[test]
fn a_timer_of_one_of_them() {
    quiet(in_child(&workers("2"), || {
        let queue = greenroom::queue::Queue::new();
        let from = queue.clone();
        let getter = greenroom::spawn(move || from.get().unwrap());
        greenroom::spawn(move || {
            greenroom::sleep(LONG);
            queue.put(1).unwrap();
        });
        assert_eq!(getter.join().unwrap(), 1);
    }));
}

#[test]
fn a_deadline_of_the_joiner() {
    quiet(in_child(&workers("1"), || {
        let green = greenroom::spawn(greenroom::park);
        let green = green.join_timeout(LONG).unwrap_err();
        green.thread().unpark();
        green.join().unwrap();
    }));
}

#[test]
fn an_os_thread_that_sends_later() {
    quiet(in_child(&workers("2"), || {
        let queue = greenroom::queue::Queue::new();
        let from = queue.clone();
        let sender = thread::spawn(move || {
            os_pause();
            queue.put(1).unwrap();
        });
        assert_eq!(greenroom::spawn(move || from.get().unwrap()).join().unwrap(), 1);
        sender.join().unwrap();
    }));
}

#[test]
fn an_os_thread_that_computes_first() {
    quiet(in_child(&workers("1"), || {
        let green = greenroom::spawn(greenroom::park);
        let thread = green.thread().clone();
        let other = thread::spawn(move || {
            let start = Instant::now();
            while start.elapsed() < LONG {}
            thread.unpark();
        });
        green.join().unwrap();
        other.join().unwrap();
    }));
}

#[test]
fn a_chain_of_os_threads_whose_last_one_sleeps() {
    quiet(in_child(&workers("1"), || {
        let (send, receive) = mpsc::channel();
        let green = greenroom::spawn(greenroom::park);
        let thread = green.thread().clone();
        // It waits at a futex, for one that does not.
        let other = thread::spawn(move || {
            receive.recv().unwrap();
            thread.unpark();
        });
        let last = thread::spawn(move || {
            os_pause();
            send.send(()).unwrap();
        });
        green.join().unwrap();
        other.join().unwrap();
        last.join().unwrap();
    }));
}

#[test]
fn a_child_process() {
    quiet(in_child(&workers("1"), || {
        let green = greenroom::spawn(|| {
            let mut command = greenroom::process::Command::new("sleep");
            command.arg("0.3").stdin(Stdio::null()).status().unwrap()
        });
        assert!(green.join().unwrap().success());
    }));
}

#[test]
fn a_patched_wait_for_any_child() {
    quiet(in_child(&workers("1"), || {
        greenroom::patch_all().unwrap();
        let green = greenroom::spawn(|| {
            #[allow(clippy::zombie_processes, reason = "C waits for it")]
            let child = Command::new("sleep").arg("0.3").spawn().unwrap();
            // SAFETY: no status is asked for.
            assert_eq!(unsafe { libc::wait(std::ptr::null_mut()) }, child.id() as i32);
        });
        green.join().unwrap();
    }));
}

#[test]
fn offloaded_work() {
    quiet(in_child(&workers("2"), || {
        for _ in 0..2 {
            // The second time its thread has rested in between.
            let green = greenroom::spawn(|| greenroom::offload(os_pause));
            green.join().unwrap();
            os_pause();
        }
        let pool = greenroom::ThreadPool::new(1);
        let jobs: Vec<_> = (0..2).map(|_| pool.spawn(os_pause)).collect();
        greenroom::spawn(|| jobs.into_iter().for_each(|j| j.join().unwrap())).join().unwrap();
    }));
}

#[test]
fn handovers_without_end() {
    quiet(in_child(&workers("2"), || {
        greenroom::patch_all().unwrap();
        // At almost every moment all of them wait.
        let (to, from_main) = mpsc::channel();
        let (to_main, from) = mpsc::channel();
        let green = thread::spawn(move || from_main.iter().for_each(|n| to_main.send(n).unwrap()));
        let start = Instant::now();
        while start.elapsed() < LONG * 10 {
            to.send(1).unwrap();
            greenroom::patch::native(|| thread::sleep(Duration::from_micros(1)));
            from.recv().unwrap();
        }
        drop(to);
        green.join().unwrap();
    }));
}

#[test]
fn nobody_there() {
    quiet(in_child(&workers("2"), || {
        greenroom::spawn(|| ()).join().unwrap();
        let (send, receive) = mpsc::channel();
        let other = thread::spawn(move || receive.recv().unwrap());
        os_pause();
        send.send(()).unwrap();
        other.join().unwrap();
        until(|| greenroom::inspect::stats().alive() == 0);
    }));
}

#[test]
fn whoever_does_not_want_to_know() {
    let vars = [("GREENROOM_WORKERS", "1"), ("GREENROOM_ON_STALL", "ignore")];
    let ended = in_child(&vars, || {
        let green = greenroom::spawn(greenroom::park);
        let thread = green.thread().clone();
        let main = thread::current();
        let waits = thread::spawn(move || {
            main.unpark();
            green.join().unwrap();
        });
        thread::park();
        os_pause();
        thread.unpark();
        waits.join().unwrap();
    });
    ended.assert_success();
    ended.assert_says("stalled", 0);
}

#[test]
fn locks_in_good_order_and_tries_in_any() {
    quiet(in_child(&workers("2"), || {
        let locks = std::sync::Arc::new([const { greenroom::sync::Mutex::new(0) }; 3]);
        let end = Instant::now() + LONG * 12;
        let busy = (0..12).map(|n| {
            let locks = locks.clone();
            greenroom::spawn(move || {
                while Instant::now() < end {
                    let (first, then) = if n % 3 == 0 { (2, 0) } else { (n % 2, 2) };
                    let held = locks[first].lock();
                    if first == 2 {
                        // Against the order: this must not wait for ever.
                        drop(locks[then].try_lock_for(Duration::from_millis(2)));
                    } else {
                        *locks[then].lock() += 1;
                    }
                    greenroom::yield_now();
                    drop(held);
                    greenroom::sleep(Duration::from_micros(50));
                }
            })
        });
        greenroom::joinall(busy.collect::<Vec<_>>()).into_iter().for_each(|r| r.unwrap());
    }));
}
