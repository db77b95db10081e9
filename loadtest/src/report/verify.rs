//! Owns: the proof that a report says what its raw log says.
//! Must never: write; accept a figure because it is close.
//! Laws: none.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{HTML, JSON, compute, html};
use crate::error::{LoadError, Result};
use crate::rawlog;

/// A place where report and raw log disagree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Where, as a path through the JSON.
    pub at: String,
    /// What the report says.
    pub reported: String,
    /// What the raw log gives.
    pub recomputed: String,
}

/// Recomputes every figure of the report in `dir` from its raw log; returns how many were compared and all that
/// differ. The page must be, byte for byte, what the figures render to.
pub fn verify(dir: &Path) -> Result<(u64, Vec<Difference>)> {
    let report = compute(&rawlog::read(dir)?)?;
    let path = dir.join(JSON);
    let text = fs::read_to_string(&path).map_err(LoadError::file("read", &path))?;
    let wrong = |error: serde_json::Error| LoadError::format(&path, error.to_string());
    let reported: Value = serde_json::from_str(&text).map_err(wrong)?;
    // Through text and back, as the report went: what is compared has been printed the same way.
    let printed = serde_json::to_string(&report).map_err(wrong)?;
    let recomputed: Value = serde_json::from_str(&printed).map_err(wrong)?;
    let (mut compared, mut differences) = (0, Vec::new());
    compare(String::new(), &reported, &recomputed, &mut compared, &mut differences);
    let path = dir.join(HTML);
    let page = fs::read_to_string(&path).map_err(LoadError::file("read", &path))?;
    compared += 1;
    if page != html::page(&report) {
        differences.push(Difference {
            at: HTML.to_owned(),
            reported: "another page".to_owned(),
            recomputed: "the page that these figures render to".to_owned(),
        });
    }
    Ok((compared, differences))
}

fn compare(at: String, reported: &Value, recomputed: &Value, compared: &mut u64, out: &mut Vec<Difference>) {
    match (reported, recomputed) {
        (Value::Object(left), Value::Object(right)) => {
            let mut keys: Vec<&String> = left.keys().chain(right.keys()).collect();
            keys.sort_unstable();
            keys.dedup();
            for key in keys {
                let side = |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or_default();
                compare(format!("{at}.{key}"), &side(left), &side(right), compared, out);
            }
        }
        (Value::Array(left), Value::Array(right)) => {
            for place in 0..left.len().max(right.len()) {
                let side = |list: &[Value]| list.get(place).cloned().unwrap_or_default();
                compare(format!("{at}[{place}]"), &side(left), &side(right), compared, out);
            }
        }
        _ => {
            *compared += 1;
            if reported != recomputed {
                let (reported, recomputed) = (reported.to_string(), recomputed.to_string());
                out.push(Difference { at, reported, recomputed });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rawlog::tests::{facts, intervals, lane};
    use crate::rawlog::{Role, RunWriter};
    use crate::report::render;

    fn run(dir: &Path) {
        let log = RunWriter::create(dir, &facts("bars")).unwrap();
        for number in 1..=2 {
            let mut measured = lane("taps-64", "server", Role::Measured, number);
            measured.declines_planned = true;
            log.lane(&lane("taps-64", "echo", Role::Limit, number), &[]).unwrap();
            log.lane(&measured, &intervals()).unwrap();
        }
        log.verify("final", "{\"exit\": 0, \"said\": {\"records\": 12}}").unwrap();
        render(dir).unwrap();
    }

    #[test]
    fn a_fresh_report_holds_and_many_figures_are_compared() {
        let dir = tempfile::tempdir().unwrap();
        run(dir.path());
        let (compared, differences) = verify(dir.path()).unwrap();
        assert_eq!(differences, []);
        assert!(compared > 100, "only {compared} figures compared");
    }

    /// A report whose throughput somebody "rounded up" would be believed otherwise.
    #[test]
    fn any_changed_figure_is_found_and_named() {
        let dir = tempfile::tempdir().unwrap();
        run(dir.path());
        let path = dir.path().join(JSON);
        let report: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        for (pointer, name) in [
            ("/lanes/1/per_second", ".lanes[1].per_second"),
            ("/lanes/3/over_time/2/latency_us/p99", ".lanes[3].over_time[2].latency_us.p99"),
            ("/bars/0/value/median", ".bars[0].value.median"),
            ("/journal/final/said/records", ".journal.final.said.records"),
        ] {
            let mut changed = report.clone();
            let figure = changed.pointer_mut(pointer).unwrap();
            *figure = serde_json::json!(figure.as_f64().unwrap() * 1.000_001);
            fs::write(&path, changed.to_string()).unwrap();
            let (_, differences) = verify(dir.path()).unwrap();
            assert_eq!(differences.iter().map(|d| d.at.as_str()).collect::<Vec<_>>(), [name]);
        }
    }

    #[test]
    fn a_missing_lane_an_added_field_and_a_changed_page_are_found() {
        let dir = tempfile::tempdir().unwrap();
        run(dir.path());
        let path = dir.path().join(JSON);
        let text = fs::read_to_string(&path).unwrap();
        let mut report: Value = serde_json::from_str(&text).unwrap();
        report["lanes"].as_array_mut().unwrap().pop();
        report["extra"] = serde_json::json!(1);
        fs::write(&path, report.to_string()).unwrap();
        let at: Vec<_> = verify(dir.path()).unwrap().1.into_iter().map(|difference| difference.at).collect();
        assert_eq!(at, [".extra", ".lanes[3]"]);
        fs::write(&path, text).unwrap();
        let page = dir.path().join(HTML);
        let html = fs::read_to_string(&page).unwrap();
        fs::write(&page, html.replacen("taps-64", "taps-65", 1)).unwrap();
        assert_eq!(verify(dir.path()).unwrap().1[0].at, HTML);
    }
}
