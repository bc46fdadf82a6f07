//! The `postgres` crate, which drives a tokio runtime inside, against a real
//! PostgreSQL.

mod common;

use common::{ms, ready, server, together};
use postgres::fallible_iterator::FallibleIterator;
use postgres::{Client, NoTls};
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

fn connect() -> Client {
    Client::connect(&server("GREENROOM_POSTGRES"), NoTls).unwrap()
}

#[test]
fn queries_that_take_their_time() {
    let _alone = ready();
    let sums = together(20, ms(300), |i| {
        let mut db = connect();
        let row = db.query_one("SELECT pg_sleep(0.3), $1::INT4 * 2", &[&(i as i32)]).unwrap();
        row.get::<_, i32>(1)
    });
    assert_eq!(sums, (0..20).map(|i| i * 2).collect::<Vec<_>>());
}

#[test]
fn copy_in_and_out() {
    let _alone = ready();
    let threads: Vec<_> = (0..4)
        .map(|i| {
            thread::spawn(move || {
                let mut db = connect();
                db.batch_execute(&format!("CREATE TEMP TABLE copied{i} (n INT4)")).unwrap();
                let mut writer = db.copy_in(&format!("COPY copied{i} FROM STDIN")).unwrap();
                for n in 0..20_000 {
                    writeln!(writer, "{n}").unwrap();
                }
                assert_eq!(writer.finish().unwrap(), 20_000);
                let mut text = String::new();
                let copy = format!("COPY (SELECT n FROM copied{i} ORDER BY n) TO STDOUT");
                db.copy_out(&copy).unwrap().read_to_string(&mut text).unwrap();
                assert!(text.lines().enumerate().all(|(n, line)| line == n.to_string()));
                text.lines().count()
            })
        })
        .collect();
    for t in threads {
        assert_eq!(t.join().unwrap(), 20_000);
    }
}

#[test]
fn listen_and_notify() {
    let _alone = ready();
    let begun = Arc::new(AtomicBool::new(false));
    let begin = begun.clone();
    let notifier = thread::spawn(move || {
        while !begun.load(SeqCst) {
            thread::sleep(ms(1));
        }
        thread::sleep(ms(400));
        let mut db = connect();
        let all = "SELECT count(*) FROM pg_stat_activity \
                   WHERE query = 'LISTEN news' AND state = 'idle'";
        while db.query_one(all, &[]).unwrap().get::<_, i64>(0) < 10 {
            thread::sleep(ms(10));
        }
        db.batch_execute("NOTIFY news, 'extra'").unwrap();
    });
    let heard = together(10, ms(300), move |_| {
        begin.store(true, SeqCst);
        let mut db = connect();
        db.batch_execute("LISTEN news").unwrap();
        let mut notices = db.notifications();
        let first = notices.timeout_iter(ms(20_000)).next().unwrap();
        first.map(|n| n.payload().to_owned())
    });
    assert!(heard.into_iter().all(|text| text.as_deref() == Some("extra")));
    notifier.join().unwrap();
}
