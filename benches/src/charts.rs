//! Draw a report: throughput and latency by what is in flight, ours and the peers', and CPU by station.

use crate::Failure;
use crate::report::{Report, Row};
use std::fmt::Write;
use std::fs;
use std::path::Path;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 500.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 640.0;
const TOP: f64 = 60.0;
const BOTTOM: f64 = 380.0;
/// Told apart by those who see no red or green (Okabe and Ito).
const COLOURS: [&str; 8] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999999", "#000000"];
/// Parts of CPU that a chart shows one by one.
const PARTS_MAX: usize = 7;

/// One line of a chart: its name, whose colour it has, and a value by what is in flight.
struct Series {
    name: String,
    colour: &'static str,
    dashed: bool,
    points: Vec<(usize, f64)>,
}

/// Writes the charts that this report has something for.
pub fn draw(report: &Report, folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder)?;
    let throughput = lines(report, "Answered a second", "a second", &["per_second"]);
    let latency = lines(report, "Latency, median and 99 of 100", "ms", &["p50_ms", "p99_ms"]);
    fs::write(folder.join("throughput.svg"), throughput)?;
    fs::write(folder.join("latency.svg"), latency)?;
    fs::write(folder.join("cpu.svg"), bars(report))?;
    Ok(())
}

fn series(report: &Report, figures: &[&str]) -> Vec<Series> {
    let systems = [
        ("countersign", "all"),
        ("countersign", "leader"),
        ("etcd", "all"),
        ("etcd", "leader"),
        ("postgres", "primary"),
    ];
    let mut all = Vec::new();
    for (n, (system, to)) in systems.into_iter().enumerate() {
        for (k, figure) in figures.iter().enumerate() {
            let rows = report.closed(system, to);
            let mut points: Vec<(usize, f64)> =
                rows.iter().map(|row| (row.case.in_flight, row.median(figure))).collect();
            points.sort_by_key(|(in_flight, _)| *in_flight);
            let which = figure.strip_suffix("_ms").map_or(String::new(), |which| format!(", {which}"));
            if !points.is_empty() {
                let name = format!("{system} to {to}{which}");
                all.push(Series { name, colour: COLOURS[n], dashed: k > 0, points });
            }
        }
    }
    all
}

/// Both axes are logarithmic: what is in flight goes from 1 to 1024.
fn lines(report: &Report, title: &str, unit: &str, figures: &[&str]) -> String {
    let all = series(report, figures);
    let values = || all.iter().flat_map(|series| &series.points).filter(|(_, value)| *value > 0.0);
    let low = values().map(|(_, value)| value.log10()).fold(f64::INFINITY, f64::min).floor();
    let high = values().map(|(_, value)| value.log10()).fold(f64::NEG_INFINITY, f64::max).ceil().max(low + 1.0);
    let most = values().map(|(in_flight, _)| *in_flight).max().unwrap_or(2).max(2) as f64;
    let x = |in_flight: usize| LEFT + (RIGHT - LEFT) * (in_flight as f64).log2() / most.log2();
    let y = |value: f64| BOTTOM - (BOTTOM - TOP) * (value.max(f64::MIN_POSITIVE).log10() - low) / (high - low);
    let mut svg = Svg::begin(report, title);
    if low.is_finite() {
        for decade in low as i32..=high as i32 {
            let at = y(10_f64.powi(decade));
            svg.line([LEFT, at, RIGHT, at], "#ddd", 1.0);
            svg.text([LEFT - 8.0, at + 4.0], "end", &short(10_f64.powi(decade)));
        }
    }
    let mut marks: Vec<usize> = values().map(|(in_flight, _)| *in_flight).collect();
    marks.sort_unstable();
    marks.dedup();
    for mark in marks {
        svg.text([x(mark), BOTTOM + 18.0], "middle", &mark.to_string());
    }
    svg.text([(LEFT + RIGHT) / 2.0, BOTTOM + 38.0], "middle", "in flight");
    svg.text([LEFT - 8.0, TOP - 12.0], "end", unit);
    for (n, Series { name, colour, dashed, points }) in all.iter().enumerate() {
        for pair in points.windows(2) {
            let width = if *dashed { 1.0 } else { 2.5 };
            svg.line([x(pair[0].0), y(pair[0].1), x(pair[1].0), y(pair[1].1)], colour, width);
        }
        points.iter().for_each(|(in_flight, value)| svg.circle([x(*in_flight), y(*value)], colour));
        let values: Vec<String> = points.iter().map(|(_, value)| short(*value)).collect();
        svg.legend(2 * n, colour, name);
        svg.text([RIGHT + 38.0, TOP + 18.0 * (2 * n + 1) as f64 + 1.0], "start", &values.join("  "));
    }
    svg.end()
}

/// One bar a round of ours, one part a station or kind of thread.
fn bars(report: &Report) -> String {
    let rows = report.closed("countersign", "all");
    let rows: Vec<&Row> = rows.into_iter().filter(|row| row.case.in_flight >= 16).collect();
    let mut parts: Vec<(&str, f64)> = Vec::new();
    for name in rows.iter().flat_map(|row| row.figures.keys()).filter_map(|name| name.strip_prefix("part_us.")) {
        let most = rows.iter().map(|row| row.median(&format!("part_us.{name}"))).fold(0.0, f64::max);
        if !parts.iter().any(|(part, _)| *part == name) {
            parts.push((name, most));
        }
    }
    parts.sort_by(|a, b| b.1.total_cmp(&a.1));
    parts.truncate(PARTS_MAX - 1);
    let highest = rows.iter().map(|row| row.median("cpu_us.all")).fold(1.0, f64::max);
    let y = |value: f64| BOTTOM - (BOTTOM - TOP) * value / highest;
    let mut svg = Svg::begin(report, "CPU a transaction by station, all nodes and the client together");
    svg.text([LEFT - 8.0, TOP - 12.0], "end", "us");
    for quarter in 0..=4 {
        let value = highest * f64::from(quarter) / 4.0;
        svg.line([LEFT, y(value), RIGHT, y(value)], "#ddd", 1.0);
        svg.text([LEFT - 8.0, y(value) + 4.0], "end", &format!("{value:.0}"));
    }
    let step = (RIGHT - LEFT) / rows.len().max(1) as f64;
    for (n, row) in rows.iter().enumerate() {
        let left = LEFT + step * (n as f64 + 0.2);
        let mut named: Vec<(&str, f64)> =
            parts.iter().map(|(part, _)| (*part, row.median(&format!("part_us.{part}")))).collect();
        named.insert(0, ("client", row.median("cpu_us.client")));
        let rest = row.median("cpu_us.all") - named.iter().map(|(_, value)| value).sum::<f64>();
        named.push(("rest", rest.max(0.0)));
        let mut below = 0.0;
        for (k, (part, value)) in named.iter().enumerate() {
            let colour = COLOURS[k % COLOURS.len()];
            svg.bar([left, y(below + value), step * 0.6, y(below) - y(below + value)], colour);
            below += value;
            if n == 0 {
                let values: Vec<String> = rows.iter().map(|row| part_of(row, part)).collect();
                svg.legend(2 * k, colour, part);
                svg.text([RIGHT + 38.0, TOP + 18.0 * (2 * k + 1) as f64 + 1.0], "start", &values.join("  "));
            }
        }
        svg.text([left + step * 0.3, y(below) - 6.0], "middle", &format!("{:.0}", row.median("cpu_us.all")));
        svg.text([left + step * 0.3, BOTTOM + 18.0], "middle", &format!("{} in flight", row.case.in_flight));
    }
    svg.end()
}

fn part_of(row: &Row, part: &str) -> String {
    match part {
        "rest" => String::new(),
        "client" => short(row.median("cpu_us.client")),
        part => short(row.median(&format!("part_us.{part}"))),
    }
}

/// 12,345 to 12.3k.
fn short(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{:.1}M", v / 1e6),
        v if v >= 1e4 => format!("{:.1}k", v / 1e3),
        v if v >= 10.0 => format!("{v:.0}"),
        v => format!("{v}").chars().take(4).collect(),
    }
}

struct Svg(String);

impl Svg {
    fn begin(report: &Report, title: &str) -> Svg {
        let head = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
             font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
        );
        let mut svg = Svg(head);
        let machine = &report.machine;
        svg.text([LEFT, 26.0], "start", title);
        let settings = &report.settings;
        svg.text(
            [LEFT, HEIGHT - 52.0],
            "start",
            &format!(
                "{} nodes, TLS, fsync, 256-byte documents under Cedar rules; all on {} cores of {}",
                settings.organisations, machine.cores, machine.processor
            ),
        );
        svg.text(
            [LEFT, HEIGHT - 34.0],
            "start",
            &format!(
                "commit {}, {}, Linux {}, {}; medians of {} runs of {} s each",
                machine.commit,
                report.began.split('T').next().unwrap_or_default(),
                machine.kernel,
                machine.scheduling,
                settings.runs,
                settings.seconds
            ),
        );
        if !settings.peers.is_empty() {
            let peers: Vec<&str> = settings.peers.values().map(String::as_str).collect();
            let peers = format!("in turn with {}: three members each, without TLS", peers.join(" and "));
            svg.text([LEFT, HEIGHT - 16.0], "start", &peers);
        }
        svg
    }

    fn line(&mut self, [x1, y1, x2, y2]: [f64; 4], colour: &str, width: f64) {
        self.add(format_args!(
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{colour}\" stroke-width=\"{width}\"/>"
        ));
    }

    fn circle(&mut self, [x, y]: [f64; 2], colour: &str) {
        self.add(format_args!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>"));
    }

    fn bar(&mut self, [x, y, width, height]: [f64; 4], colour: &str) {
        self.add(format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{colour}\"/>"
        ));
    }

    fn text(&mut self, [x, y]: [f64; 2], anchor: &str, text: &str) {
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        self.add(format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"));
    }

    fn legend(&mut self, n: usize, colour: &str, name: &str) {
        let y = TOP + 18.0 * n as f64;
        self.bar([RIGHT + 20.0, y - 9.0, 12.0, 12.0], colour);
        self.text([RIGHT + 38.0, y + 1.0], "start", name);
    }

    fn add(&mut self, element: std::fmt::Arguments<'_>) {
        writeln!(self.0, "{element}").expect("a string takes all");
    }

    fn end(mut self) -> String {
        self.0.push_str("</svg>\n");
        self.0
    }
}
