//! The results as pictures: a bar for each contender, and rates over the number
//! of connections.

use std::path::Path;

use greenroom_bench::protocol::Outcome;
use plotters::coord::Shift;
use plotters::prelude::*;

use super::results::{Measured, Results};
use super::tables::figure;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const WIDTH: i32 = 760;
const LEFT: i32 = 170;
const ROW: i32 = 26;
const TOP: i32 = 46;
/// Room for figures behind the bars.
const RIGHT: i32 = 150;

/// How many times as long as the shortest the longest bar is, at most.
const CUT: f64 = 20.0;

const OURS: RGBColor = RGBColor(46, 125, 80);
const THEIRS: RGBColor = RGBColor(120, 144, 168);

/// # Errors
/// A file cannot be written.
pub(super) fn all(results: &Results, folder: &Path) -> Outcome<()> {
    for measured in &results.workloads {
        bars(measured, &folder.join(format!("{}.svg", measured.name)))?;
    }
    let curve: Vec<(&Measured, f64)> = results
        .workloads
        .iter()
        .filter_map(|one| Some((one, one.name.strip_prefix("echo-")?.parse().ok()?)))
        .collect();
    if curve.len() > 1 {
        curves(&curve, &folder.join("echo-by-connections.svg"))?;
    }
    Ok(())
}

fn is_ours(name: &str) -> bool {
    name.starts_with("greenroom") || name.starts_with("patched")
}

fn bars(measured: &Measured, file: &Path) -> Outcome<()> {
    let height = TOP + ROW * measured.contenders.len() as i32 + 14;
    let root = SVGBackend::new(file, (WIDTH as u32, height as u32)).into_drawing_area();
    root.fill(&WHITE)?;
    let unit = &measured.metrics[0];
    let better = if unit.more_is_better { "more" } else { "less" };
    let title = format!("{}: {}, {better} is better", measured.title, unit.name);
    root.draw(&Text::new(title, (10, 14), ("sans-serif", 15)))?;
    let medians = measured.contenders.iter().filter_map(|one| Some(one.spread.first()?.median));
    let longest = medians.clone().fold(f64::MIN_POSITIVE, f64::max);
    let shortest = medians.fold(f64::INFINITY, f64::min);
    // Some may be a thousand times as slow: then their bars are cut, or nobody
    // would see the others.
    let scale = f64::from(WIDTH - LEFT - RIGHT) / longest.min(shortest * CUT);
    for (row, one) in measured.contenders.iter().enumerate() {
        let y = TOP + ROW * row as i32;
        root.draw(&Text::new(one.name.clone(), (10, y + 3), ("sans-serif", 14)))?;
        let (end, said) = match (one.spread.first(), &one.trouble) {
            (Some(spread), None) => {
                draw_bar(&root, y, scale, spread, is_ours(&one.name))?;
                (spread.median.max(spread.three_quarters) * scale, figure(spread.median))
            }
            (_, Some(why)) => (0.0, why.chars().take(60).collect()),
            (None, None) => (0.0, "–".into()),
        };
        let at = (LEFT + (end as i32).min(WIDTH - LEFT - RIGHT) + 8, y + 3);
        root.draw(&Text::new(said, at, ("sans-serif", 13)))?;
    }
    Ok(root.present()?)
}

/// As long as the median, with a line over the middle half of the rounds.
fn draw_bar(
    root: &Area<'_>,
    y: i32,
    scale: f64,
    spread: &super::results::Quarters,
    ours: bool,
) -> Outcome<()> {
    let x = |value: f64| LEFT + ((value * scale) as i32).min(WIDTH - LEFT - RIGHT);
    let color = if ours { OURS } else { THEIRS };
    let bar = [(LEFT, y), (x(spread.median).max(LEFT + 1), y + ROW - 8)];
    root.draw(&Rectangle::new(bar, color.filled()))?;
    let middle = y + (ROW - 8) / 2;
    let line = vec![(x(spread.quarter), middle), (x(spread.three_quarters), middle)];
    Ok(root.draw(&PathElement::new(line, BLACK.stroke_width(2)))?)
}

fn curves(measured: &[(&Measured, f64)], file: &Path) -> Outcome<()> {
    let root = SVGBackend::new(file, (WIDTH as u32, 460)).into_drawing_area();
    root.fill(&WHITE)?;
    let medians = |name: &str| -> Vec<(f64, f64)> {
        let median = |one: &Measured| {
            let figures = one.contenders.iter().find(|one| one.name == name)?;
            Some(figures.spread.first()?.median)
        };
        measured.iter().filter_map(|&(one, n)| Some((n, median(one)?))).collect()
    };
    let names: Vec<&str> = measured[0].0.contenders.iter().map(|one| one.name.as_str()).collect();
    let all = names.iter().flat_map(|name| medians(name)).map(|(_, rate)| rate);
    let top = all.fold(1.0, f64::max) * 1.1;
    let last = measured.iter().map(|(_, n)| *n).fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(&root)
        .caption("echo of 64 bytes: requests/s by connections", ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(34)
        .y_label_area_size(64)
        .build_cartesian_2d((1.0..last).log_scale(), 0.0..top)?;
    chart.configure_mesh().y_label_formatter(&|rate| figure(*rate)).draw()?;
    for (number, name) in names.iter().enumerate() {
        let width = if is_ours(name) { 3 } else { 1 };
        let style = Palette99::pick(number).stroke_width(width);
        let legend = move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], style);
        chart.draw_series(LineSeries::new(medians(name), style))?.label(*name).legend(legend);
    }
    let legend = SeriesLabelPosition::LowerRight;
    chart.configure_series_labels().position(legend).background_style(WHITE).draw()?;
    drop(chart);
    Ok(root.present()?)
}
