//! Hold what was measured against what is promised.

use crate::report::{Report, Row};

/// One promise.
pub struct Target {
    pub what: &'static str,
    /// The bound, and whether it is a floor.
    bound: f64,
    floor: bool,
    unit: &'static str,
    /// None where nothing of this run measures it.
    pub measured: Option<f64>,
}

impl Target {
    /// Whether it is met; none where it was not measured.
    pub fn met(&self) -> Option<bool> {
        self.measured.map(|measured| if self.floor { measured >= self.bound } else { measured <= self.bound })
    }
}

/// All of them that this bench can measure.
pub fn targets(report: &Report) -> Vec<Target> {
    let at = |in_flight: usize| report.closed_at("countersign", "all", in_flight);
    let pace = |pace: &str| report.find(|case| case.system == "countersign" && case.pace == pace);
    // Its better side: whoever picks etcd would write to its leader.
    let etcd = report.closed_at("etcd", "leader", 1024).or_else(|| report.closed_at("etcd", "all", 1024));
    let figure = |row: Option<&Row>, name: &str| row.map(|row| row.median(name));
    let target = |what, floor, bound, unit, measured| Target { what, bound, floor, unit, measured };
    vec![
        target("certified a second, 1,024 in flight", true, 15_000.0, "/s", figure(at(1024), "per_second")),
        target(
            "the same over etcd's, to its leader",
            true,
            1.0,
            "x",
            at(1024).zip(etcd).map(|(ours, theirs)| ours.ratio(theirs, "per_second").median),
        ),
        target("certified a second, 64 in flight", true, 8_000.0, "/s", figure(at(64), "per_second")),
        target("p99 of them", false, 40.0, "ms", figure(at(64), "p99_ms")),
        target("p50 certified, 1 in flight", false, 3.0, "ms", figure(at(1), "p50_ms")),
        target("p99 in an open loop at half of the peak", false, 100.0, "ms", figure(pace("half"), "p99_ms")),
        target("p99.9 of them", false, 250.0, "ms", figure(pace("half"), "p999_ms")),
        target("CPU a transaction, all nodes and client, 1,024", false, 130.0, "us", figure(at(1024), "cpu_us.all")),
        target("goodput at 10 times the peak", true, 80.0, "%", figure(pace("overload"), "goodput_percent")),
    ]
}

/// Prints them as a table.
pub fn print(report: &Report) {
    println!("\n{:<48} {:>14} {:>14}   ", "target", "wanted", "measured");
    for target in targets(report) {
        let Target { what, bound, floor, unit, measured } = &target;
        let places = if *bound < 10.0 { 2 } else { 0 };
        let wanted = format!("{} {bound:.places$} {unit}", if *floor { ">=" } else { "<=" });
        let measured = measured.map_or("-".into(), |measured| format!("{measured:.places$} {unit}"));
        let verdict = match target.met() {
            Some(true) => "met",
            Some(false) => "not met",
            None => "not measured",
        };
        println!("{what:<48} {wanted:>14} {measured:>14}   {verdict}");
    }
    if let Some(row) = report.find(|case| case.pace == "overload") {
        println!(
            "memory of the largest node at 10 times the peak: {:.0} MiB at the most",
            row.median("memory_mib.node_most")
        );
    }
}
