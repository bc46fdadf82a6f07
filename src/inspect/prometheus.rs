//! Statistics in the text format of Prometheus, version 0.0.4.

use super::stats::{Stats, WorkerStats};
use std::fmt::Write;

/// Name without prefix, type, help, and the value of one worker.
type Metric = (&'static str, &'static str, &'static str, fn(&WorkerStats) -> f64);

const OF_WORKERS: &[Metric] = &[
    ("switches_total", "counter", "Green threads resumed.", |w| w.switches as f64),
    ("started_total", "counter", "Green threads that ran for the first time.", |w| {
        w.started as f64
    }),
    ("ended_total", "counter", "Green threads that ended.", |w| w.ended as f64),
    ("steals_total", "counter", "Steals of fresh green threads.", |w| w.steals as f64),
    ("woken_by_others_total", "counter", "Green threads woken by another thread.", |w| {
        w.woken_by_others as f64
    }),
    ("polls_total", "counter", "Looks at the kernel's readiness queue.", |w| w.polls as f64),
    ("events_total", "counter", "Events that the kernel reported.", |w| w.events as f64),
    ("timers_total", "counter", "Deadlines that passed.", |w| w.timers as f64),
    ("idle_seconds_total", "counter", "Time with nothing to run.", |w| w.idle.as_secs_f64()),
    ("runnable", "gauge", "Green threads that could run.", |w| w.runnable as f64),
    ("delay_seconds_max", "gauge", "Longest measured wait for a turn.", |w| {
        w.delay_max.as_secs_f64()
    }),
];

impl Stats {
    /// In the text format that Prometheus scrapes.
    ///
    /// ```
    /// greenroom::spawn(|| ()).join().unwrap();
    /// let text = greenroom::inspect::stats().to_prometheus();
    /// assert!(text.contains("# TYPE greenroom_switches_total counter\n"));
    /// assert!(text.contains("greenroom_switches_total{worker=\"0\"} "));
    /// ```
    pub fn to_prometheus(&self) -> String {
        let mut text = String::new();
        for (name, kind, help, value) in OF_WORKERS {
            head(&mut text, name, kind, help);
            for (number, worker) in self.workers.iter().enumerate() {
                let value = value(worker);
                line(&mut text, format_args!("{name}{{worker=\"{number}\"}} {value}"));
            }
        }
        head(&mut text, "delay_seconds", "summary", "Measured waits for a turn.");
        for (number, worker) in self.workers.iter().enumerate() {
            let (sum, count) = (worker.delay_sum.as_secs_f64(), worker.delays);
            line(&mut text, format_args!("delay_seconds_sum{{worker=\"{number}\"}} {sum}"));
            line(&mut text, format_args!("delay_seconds_count{{worker=\"{number}\"}} {count}"));
        }
        self.gauges(&mut text);
        text
    }

    fn gauges(&self, text: &mut String) {
        let fresh = self.injected + self.total().fresh;
        let all = [
            ("alive", "Green threads that have started and not ended.", self.alive()),
            ("fresh", "Green threads that have not started.", fresh),
            ("stacks_made", "Stacks ever made.", self.stacks.made),
            ("stacks_pooled", "Stacks that nobody uses.", self.stacks.pooled()),
            ("offload_threads", "OS threads for blocking work.", self.offload.threads),
            ("offload_idle_threads", "Those that wait for work.", self.offload.idle),
            ("offload_queued", "Jobs that wait for a thread.", self.offload.queued),
        ];
        for (name, help, value) in all {
            head(text, name, "gauge", help);
            line(text, format_args!("{name} {value}"));
        }
    }
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP greenroom_{name} {help}");
    let _ = writeln!(text, "# TYPE greenroom_{name} {kind}");
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    let _ = writeln!(text, "greenroom_{content}");
}
