//! Limits on what there is, each reported once when it is crossed.

use super::monitor_config::MonitorConfig;
use super::monitor_report::{LimitReport, Resource};
use super::stats::{Stats, stats};
use crate::sched::runtime::{self, Runtime};
use crate::sys::mem::page_size;
use std::fs;

/// One limit.
struct Limit {
    resource: Resource,
    most: u64,
    /// It was crossed, and there has not been clearly less since.
    over: bool,
}

impl Limit {
    /// What to report, when there is so much.
    fn look(&mut self, value: u64) -> Option<LimitReport> {
        let Limit { resource, most: limit, .. } = *self;
        let was = self.over;
        // Between the two it stays as it was, lest something that goes up and down
        // around the limit be reported each time.
        if value > limit {
            self.over = true;
        } else if value < limit - limit / 10 || value == 0 {
            self.over = false;
        }
        (self.over && !was).then_some(LimitReport { resource, value, limit })
    }
}

/// All of a monitor.
pub(super) struct Limits(Vec<Limit>);

impl Limits {
    pub(super) fn new(config: &MonitorConfig) -> Limits {
        let all = [
            (Resource::GreenThreads, config.max_green_threads.map(|n| n as u64)),
            (Resource::Stacks, config.max_stacks.map(|n| n as u64)),
            (Resource::Memory, config.max_memory),
        ];
        let set = all.into_iter().filter_map(|(resource, most)| Some((resource, most?)));
        Limits(set.map(|(resource, most)| Limit { resource, most, over: false }).collect())
    }

    /// What has been crossed since the last look.
    pub(super) fn look(&mut self) -> Vec<LimitReport> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let stats = stats();
        self.0.iter_mut().filter_map(|limit| limit.look(value(limit.resource, &stats))).collect()
    }
}

fn value(resource: Resource, stats: &Stats) -> u64 {
    match resource {
        Resource::GreenThreads => runtime::get().map_or(0, Runtime::unfinished),
        Resource::Stacks => stats.stacks.in_use as u64,
        Resource::Memory => resident(),
    }
}

/// Bytes; 0 if the kernel does not say.
fn resident() -> u64 {
    let text = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split_whitespace().nth(1).and_then(|n| n.parse::<u64>().ok());
    pages.unwrap_or(0) * page_size() as u64
}

#[cfg(all(test, not(miri), not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_reported_once_and_again_after_there_was_clearly_less() {
        let mut limit = Limit { resource: Resource::Stacks, most: 100, over: false };
        let said = [100, 101, 120, 99, 101, 90, 101, 89, 95, 100, 101, 0]
            .map(|value| limit.look(value).map(|report| report.value));
        let mut expected = [None; 12];
        expected[1] = Some(101);
        expected[10] = Some(101);
        assert_eq!(said, expected);
    }

    #[test]
    fn a_small_limit_is_armed_again_too() {
        let mut limit = Limit { resource: Resource::Stacks, most: 0, over: false };
        let said = [0, 1, 0, 2].map(|value| limit.look(value).is_some());
        assert_eq!(said, [false, true, false, true]);
        let mut limit = Limit { resource: Resource::Stacks, most: 1, over: false };
        let said = [1, 2, 1, 2, 0, 2].map(|value| limit.look(value).is_some());
        assert_eq!(said, [false, true, false, false, false, true]);
    }

    #[test]
    fn the_process_uses_memory() {
        assert!(resident() > 100_000);
    }
}
