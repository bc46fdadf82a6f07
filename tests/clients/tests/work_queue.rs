//! The example `work_queue`: every job is done, though a worker dies with one.

mod common;
#[allow(dead_code, reason = "its main is for its readers")]
#[path = "../examples/work_queue.rs"]
mod example;

use common::{ms, ready, server, together};
use redis::Client;

#[test]
fn no_job_is_lost() {
    let _alone = ready();
    let client = Client::open(format!("redis://{}/", server("GREENROOM_REDIS"))).unwrap();
    let reports = together(4, ms(400), move |n| {
        example::run(&client, &format!("work-{n}"), 40).map_err(|e| e.to_string()).unwrap()
    });
    for report in reports {
        assert_eq!(report.results, (0..40).map(|n| (n, n * n)).collect());
        assert_eq!(report.given_back, 1);
        let (died, others) = report.done.split_last().unwrap();
        assert_eq!((*died, others.iter().sum::<u32>()), (0, 40));
        assert!(others.iter().all(|done| *done > 0), "one did nothing: {others:?}");
    }
}
