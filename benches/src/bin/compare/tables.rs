//! The results as Markdown.

use super::results::{Figures, Measured, Quarters, Results};

/// All tables: how it was measured, an overview, and each workload.
pub(super) fn markdown(results: &Results) -> String {
    let mut text = overview(results);
    for measured in &results.workloads {
        text += &details(measured);
    }
    text
}

/// How it was measured, and the medians.
pub(super) fn overview(results: &Results) -> String {
    how(results) + &overviews(&results.workloads)
}

fn how(results: &Results) -> String {
    let m = &results.machine;
    let versions: Vec<String> =
        m.versions.iter().map(|(name, version)| short_version(name, version)).collect();
    format!(
        "{}: `{}`. {} cores of {}, {}, Linux {}, {}; load before it {}.\n\
         {}.\n{} rounds of {} ms each{}, after one that is not counted. Medians;\n\
         in brackets what the middle half of the rounds lies between. \"Against it\": how many\n\
         times as good ours was in the same round. Bold: the best, apart from corosensei alone\n\
         and the raw epoll loop, which are the limits.\n\n",
        m.date,
        m.command,
        m.cores,
        m.cpu,
        m.memory,
        m.kernel,
        m.libc,
        m.load_before,
        versions.join(", "),
        results.rounds,
        results.millis,
        more_for_tails(results),
    )
}

fn more_for_tails(results: &Results) -> String {
    let all = results.workloads.iter().flat_map(|workload| &workload.contenders);
    match all.map(|one| one.rounds.len()).max() {
        Some(most) if most > results.rounds => format!(" ({most} where tails are measured)"),
        _ => String::new(),
    }
}

/// `rustc` says its own name.
fn short_version(name: &str, version: &str) -> String {
    if version.starts_with(name) { version.into() } else { format!("{name} {version}") }
}

/// Medians: a table for all workloads that have their first metric and their
/// contenders in common.
fn overviews(workloads: &[Measured]) -> String {
    let key = |m: &Measured| {
        let names: Vec<String> = m.contenders.iter().map(|one| one.name.clone()).collect();
        (m.metrics[0].name.clone(), names)
    };
    let mut groups: Vec<Vec<&Measured>> = Vec::new();
    for measured in workloads {
        match groups.iter_mut().find(|group| key(group[0]) == key(measured)) {
            Some(group) => group.push(measured),
            None => groups.push(vec![measured]),
        }
    }
    groups.iter().map(|group| table(group)).collect()
}

fn table(group: &[&Measured]) -> String {
    let first = group[0];
    let mut text = format!("| {} |", first.metrics[0].name);
    first.contenders.iter().for_each(|one| text += &format!(" {} |", one.name));
    text += "\n|---|";
    text += &"---|".repeat(first.contenders.len());
    text += "\n";
    for measured in group {
        text += &format!("| {} |", measured.name);
        let best = best(measured);
        for one in &measured.contenders {
            text += &format!(" {} |", cell(one, best == Some(one.name.as_str())));
        }
        text += "\n";
    }
    text + "\n"
}

/// Those that are no runtimes, but what no runtime can do better than.
const LIMITS: [&str; 2] = ["corosensei", "raw-epoll"];

/// Who has the best median of the first metric, limits apart.
fn best(measured: &Measured) -> Option<&str> {
    let median = |one: &Figures| one.spread.first().map(|spread| spread.median);
    let runtimes = measured.contenders.iter().filter(|one| !LIMITS.contains(&one.name.as_str()));
    let all = runtimes.filter_map(|one| Some((median(one)?, one.name.as_str())));
    let order = |a: &(f64, &str), b: &(f64, &str)| a.0.total_cmp(&b.0);
    let best =
        if measured.metrics[0].more_is_better { all.max_by(order) } else { all.min_by(order) };
    best.map(|(_, name)| name)
}

fn cell(one: &Figures, best: bool) -> String {
    match (one.spread.first(), &one.trouble) {
        (_, Some(why)) if why.starts_with("not installed") => "–".into(),
        (_, Some(_)) => "fails".into(),
        (None, None) => "–".into(),
        (Some(spread), None) if best => format!("**{}**", figure(spread.median)),
        (Some(spread), None) => figure(spread.median),
    }
}

/// Three digits that count.
pub(super) fn figure(value: f64) -> String {
    match value.abs() {
        ..10.0 => format!("{value:.2}"),
        ..100.0 => format!("{value:.1}"),
        ..10_000.0 => format!("{value:.0}"),
        ..1e6 => format!("{:.1}K", value / 1e3),
        ..1e9 => format!("{:.2}M", value / 1e6),
        _ => format!("{:.2}G", value / 1e9),
    }
}

/// One workload: how figures and ratios spread.
fn details(measured: &Measured) -> String {
    let ours = measured.contenders.first().map_or("", |first| first.name.as_str());
    let cores =
        if measured.cores == 1 { "1 core".into() } else { format!("{} cores", measured.cores) };
    let mut text = format!("### {}: {} ({cores})\n\n|", measured.name, measured.title);
    for unit in &measured.metrics {
        text += &format!(" | {} | {ours} against it", unit.name);
    }
    text += " | |\n|---|";
    text += &"---|".repeat(2 * measured.metrics.len() + 1);
    text += "\n";
    for one in &measured.contenders {
        text += &format!("| {} |", one.name);
        for metric in 0..measured.metrics.len() {
            let shown = |quarters: &[Quarters], show: fn(&Quarters) -> String| {
                quarters.get(metric).map_or("–".into(), show)
            };
            text +=
                &format!(" {} | {} |", shown(&one.spread, spread), shown(&one.ours_times, times));
        }
        text += &format!(" {} |\n", one.trouble.as_deref().unwrap_or("").replace('|', "/"));
    }
    text + "\n"
}

fn spread(q: &Quarters) -> String {
    format!("{} ({} – {})", figure(q.median), figure(q.quarter), figure(q.three_quarters))
}

fn times(q: &Quarters) -> String {
    format!("{:.2} ({:.2} – {:.2})", q.median, q.quarter, q.three_quarters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Cores;
    use crate::machine;
    use std::time::Duration;

    #[test]
    fn figures_have_three_digits() {
        let shown = [1.234, 12.34, 123.4, 1234.0, 12_340.0, 1_234_000.0].map(figure);
        assert_eq!(shown, ["1.23", "12.3", "123", "1234", "12.3K", "1.23M"]);
    }

    #[test]
    fn tables_show_the_best_and_who_fails() {
        let workloads = crate::workload::all();
        let echo = workloads.iter().find(|one| one.name == "echo-64").unwrap();
        let with = |name: &str, rate: f64| Figures {
            rounds: vec![vec![rate, 3.0]; 3],
            ..Figures::new(name)
        };
        let gone = Figures { trouble: Some("fails: a | b".into()), ..Figures::new("gone") };
        let contenders = vec![with("ours", 200e3), with("theirs", 100e3), gone];
        let measured = Measured::new(echo, 1, contenders);
        let machine = machine::describe(&[], &Cores::of_this_process().unwrap());
        let mut results = Results::new(machine, 3, Duration::from_millis(5));
        results.workloads.push(measured);
        let text = markdown(&results);
        assert!(text.contains("| echo-64 | **200.0K** | 100.0K | fails |"), "{text}");
        assert!(
            text.contains("| theirs | 100.0K (100.0K – 100.0K) | 2.00 (2.00 – 2.00) | 3.00 "),
            "{text}"
        );
        assert!(text.contains("| gone | – | – | – | – | fails: a / b |"), "{text}");
        // What is written can be read again, and gives the same tables.
        let again: Results =
            serde_json::from_str(&serde_json::to_string(&results).unwrap()).unwrap();
        assert_eq!(markdown(&again), text);
    }
}
