//! Owns: tests of the raw log: what is written is read back, what was changed is refused.
//! Must never: depend on the machine.
//! Laws: none.

use std::collections::BTreeMap;
use std::fs;

use super::{FORMAT, LaneFacts, Role, RunFacts, RunWriter, read};
use crate::machine::{CpuTicks, MachineFacts, MountFacts};
use crate::stats::{APPLIED, DECLINED, Interval, Recorder, quantile};

pub(crate) fn facts(kind: &str) -> RunFacts {
    let text = |word: &str| word.to_owned();
    RunFacts {
        format: FORMAT,
        kind: text(kind),
        title: text("A run"),
        command: text("loadtest x"),
        parameters: BTreeMap::from([(text("seconds"), text("3"))]),
        machine: MachineFacts {
            commit: text("abc"),
            kernel: text("6.1"),
            cpu: text("Some CPU"),
            cores: 2,
            memory_bytes: 1 << 34,
            mount: MountFacts {
                point: text("/"),
                kind: text("ext4"),
                device: text("vda"),
                options: text("rw"),
            },
            began_unix: 1_800_000_000,
        },
    }
}

pub(crate) fn lane(name: &str, part: &str, role: Role, run: u32) -> LaneFacts {
    LaneFacts {
        name: name.to_owned(),
        part: part.to_owned(),
        role,
        run,
        what: "64 connections".to_owned(),
        began_ns: 0,
        ended_ns: 3_000,
        cpu: CpuTicks { total: 200, steal: 1, idle: 9 },
        target_rate: None,
        values: BTreeMap::from([("rss_bytes".to_owned(), 4096.0)]),
        invalid: Vec::new(),
        declines_planned: false,
        busy_planned: false,
        load_beside: false,
    }
}

pub(crate) fn intervals() -> Vec<Interval> {
    let mut recorder = Recorder::start(0, 1_000).unwrap();
    for turn in 0..3_u64 {
        recorder.turn(turn * 1_000);
        recorder.sent(100);
        recorder.answered(APPLIED, 0, 100_000 + turn, 90);
        recorder.answered(DECLINED, 1, 900_000, 10);
        recorder.lagged(7, 100);
    }
    recorder.finish(3_000)
}

#[test]
fn a_run_is_read_back_as_it_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let log = RunWriter::create(dir.path(), &facts("taps")).unwrap();
    let (measured, limit) = (lane("taps", "server", Role::Measured, 1), lane("taps", "echo", Role::Limit, 1));
    log.lane(&measured, &intervals()).unwrap();
    log.lane(&limit, &[]).unwrap();
    log.verify("final", "{\"ok\": true}").unwrap();
    let run = read(dir.path()).unwrap();
    assert_eq!(run.facts, facts("taps"));
    assert_eq!((&run.lanes[0].facts, &run.lanes[1].facts), (&measured, &limit));
    assert_eq!(run.verified["final"]["ok"], true);
    let written = intervals();
    assert_eq!(run.lanes[0].intervals.len(), written.len());
    for (back, gone) in run.lanes[0].intervals.iter().zip(&written) {
        assert_eq!((back.began_ns, back.ended_ns, back.sent), (gone.began_ns, gone.ended_ns, gone.sent));
        assert_eq!(back.counts, gone.counts);
        for share in [0.1, 0.5, 0.9, 0.99, 1.0] {
            assert_eq!(quantile(&back.latency, share), quantile(&gone.latency, share));
        }
        assert_eq!(back.lag.len(), 100);
    }
    assert!(run.lanes[1].intervals.is_empty());
}

#[test]
fn a_directory_takes_one_run() {
    let dir = tempfile::tempdir().unwrap();
    RunWriter::create(dir.path(), &facts("taps")).unwrap();
    let again = RunWriter::create(dir.path(), &facts("taps")).unwrap_err();
    assert!(again.to_string().contains("holds a run already"), "{again}");
}

/// Without this a report could be "recomputed" from a log whose counts and latencies come from different runs.
#[test]
fn counts_that_do_not_fit_the_histograms_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let log = RunWriter::create(dir.path(), &facts("taps")).unwrap();
    log.lane(&lane("taps", "server", Role::Measured, 1), &intervals()).unwrap();
    let path = dir.path().join("taps.server.1.intervals.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("\"count\":90", "\"count\":91", 1)).unwrap();
    assert!(read(dir.path()).unwrap_err().to_string().contains("counts other answers"));
    let two: Vec<&str> = text.lines().take(2).collect();
    fs::write(&path, two.join("\n")).unwrap();
    assert!(read(dir.path()).unwrap_err().to_string().contains("3 histograms for 2 intervals"));
}
