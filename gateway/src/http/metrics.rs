//! Owns: the figures of the process in Prometheus' text format, put together when somebody asks.
//! Must never: keep a figure of its own: everything here is counted where it happens.
//! Laws: the counter of every law that running code evaluates is here; anything but zero is an alarm.

use std::fmt;
use std::sync::Arc;

use actors::codes::{Decline, Refusal};
use engine::counters::Counters;
use engine::recovery::Stopped;
use ledger::journal::embedded::Stats;
use ledger::law::Law;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::counts::{Counts, Ending};
use crate::huge_pages;
use crate::status::Status;

/// What the text is, for whoever scrapes it.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Everything, as text.
pub(super) fn text(status: Arc<Status>) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("fanfare");
    registry.register_collector(Box::new(Process(status)));
    let mut text = String::new();
    text::encode(&mut text, &registry)?;
    Ok(text)
}

/// The figures of one moment.
struct Process(Arc<Status>);

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Process")
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let out = &mut encoder;
        let laws = Law::WIRED.map(|law| (law.id(), law.broken()));
        let laws: Vec<_> = laws.iter().map(|(id, broken)| (id.as_str(), *broken)).collect();
        family(out, "law_broken", "How often a law was seen broken; must stay zero", "law", &laws)?;
        counter(out, "part_failures", "Failures of long-lived parts", self.0.failures())?;
        gauge(out, "ready", "1 when terminals can be served", u64::from(self.0.not_ready().is_empty()))?;
        let text = "Microseconds that the machine's clock is ahead of the ledger's, which takes no steps";
        signed_gauge(out, "clock_ahead_microseconds", text, self.0.clock_ahead())?;
        let pages = u64::try_from(huge_pages::cut_bytes()).unwrap_or(u64::MAX);
        gauge(out, "wallet_page_bytes", "Memory taken for what wallets are and remember", pages)?;
        let Some(serving) = self.0.serving() else { return Ok(()) };
        let (counts, engine) = serving.shared.totals();
        gauge(out, "epoch", "This start of the ledger", serving.shared.epoch.0.into())?;
        gauge(out, "loops", "Core loops", serving.shared.loops().into())?;
        stopped(out, &serving.shared.stopped())?;
        connections(out, &counts)?;
        decisions(out, &engine)?;
        journal(out, &serving.log.stats())
    }
}

/// Shards that serve nobody until a mended build is started: how many, and each with the record that stopped
/// it. Anything but zero is an alarm.
fn stopped(out: &mut DescriptorEncoder<'_>, stopped: &[Stopped]) -> fmt::Result {
    gauge(out, "shards_stopped", "Shards that a record of theirs stopped", stopped.len() as u64)?;
    let help = "Number of the record that stopped a shard";
    let mut metric = out.encode_descriptor("stopped_at_record", help, None, MetricType::Gauge)?;
    for Stopped { shard, record, .. } in stopped {
        let record = i64::try_from(record.0).unwrap_or(i64::MAX);
        metric.encode_family(&[("shard", shard.0)])?.encode_gauge(&record)?;
    }
    Ok(())
}

fn connections(out: &mut DescriptorEncoder<'_>, counts: &Counts) -> fmt::Result {
    gauge(out, "connections", "Connections now", counts.connections)?;
    gauge(out, "in_flight", "Requests without an answer now", counts.in_flight)?;
    let table = [
        ("accepted", "Connections accepted", counts.accepted),
        ("welcomed", "Devices welcomed", counts.welcomed),
        ("rounds", "Rounds of the core loops that had something to do", counts.rounds),
        ("reads", "Reads from terminals", counts.reads),
        ("sends", "Sends to terminals", counts.sends),
        ("received_bytes", "Bytes received", counts.bytes_in),
        ("sent_bytes", "Bytes sent", counts.bytes_out),
        ("requests", "Requests handed to the engine", counts.requests),
        ("gateway_refused", "Requests refused before any wallet was looked at", counts.refused),
        ("gateway_busy", "Of these, told busy", counts.busy),
        ("orphans", "Answers whose connection was gone", counts.orphans),
    ];
    for (name, help, value) in table {
        counter(out, name, help, value)?;
    }
    let ended = Ending::ALL.map(|(ending, name)| (name, counts.ended(ending)));
    family(out, "connections_ended", "Connections ended, by why", "why", &ended)
}

fn decisions(out: &mut DescriptorEncoder<'_>, engine: &Counters) -> fmt::Result {
    let table = [
        ("jobs", "Requests taken into a mailbox", engine.jobs),
        ("records", "Records decided and applied", engine.records),
        ("blocks", "Blocks confirmed", engine.blocks),
        ("answers", "Answers released", engine.told),
        ("applied", "Answers that said the request took effect", engine.applied),
        ("unknown", "Answers that said neither yes nor no", engine.unknown),
        ("panics", "Panics caught in the shards' steps", engine.panics),
        ("rebuilds", "Shards dropped and rebuilt", engine.rebuilds),
        ("quarantined", "Actors quarantined", engine.quarantined),
        ("given_up", "Timers and tellings of a version passed over for their panics", engine.given_up),
        ("evidence", "Records fetched as evidence", engine.fetched),
        ("requests_sent_on", "Requests sent on from a tag to its wallet, or back", engine.sent_on),
        ("messages_taken", "Messages taken from other shards", engine.taken),
        ("messages_returned", "Of these, that went back", engine.returned),
        ("channels_resent", "Times a channel was sent again because nothing was heard", engine.resent),
        ("configuration_records", "Records that told other shards of a new configuration", engine.spread),
        (
            "configurations_adopted",
            "Times a shard had another configuration in force for good",
            engine.adopted,
        ),
        ("stripes_swept", "Vendors' stripes swept home", engine.swept),
        ("timers_fired", "Timers that came due and were decided", engine.timers),
    ];
    for (name, help, value) in table {
        counter(out, name, help, value)?;
    }
    gauge(out, "messages_waiting", "Messages sent and not known to be taken", engine.mail.waiting)?;
    let help = "Age of the oldest of them";
    gauge(out, "messages_oldest_microseconds", help, engine.mail.oldest_micros)?;
    gauge(out, "channel_bytes", "Bytes that all channels hold", engine.mail.bytes)?;
    let declined: Vec<_> = Decline::ALL.iter().map(|code| (code.name(), engine.declines(*code))).collect();
    family(out, "declined", "Declines told, by code", "code", &declined)?;
    let refused: Vec<_> = Refusal::ALL.iter().map(|code| (code.name(), engine.refusals(*code))).collect();
    family(out, "refused", "Refusals told by the engine, by code", "code", &refused)
}

fn journal(out: &mut DescriptorEncoder<'_>, stats: &Stats) -> fmt::Result {
    let table = [
        ("journal_writes", "Frames written and flushed", stats.frames),
        ("journal_inline_writes", "Of these on a core loop's own thread", stats.inline),
        ("journal_blocks", "Blocks confirmed", stats.blocks),
        ("journal_block_bytes", "Bytes of these blocks", stats.sealed_bytes),
        ("journal_written_bytes", "Bytes written for frames, padding included", stats.frame_bytes),
        ("journal_zero_bytes", "Bytes of zeros written ahead", stats.zero_bytes),
        ("journal_refused", "Blocks that did not continue their shard", stats.refused),
        ("journal_slow_writes", "Writes above the limit for a write on the loop", stats.slow),
        ("journal_segments", "Segments made", stats.segments),
        ("journal_segment_failures", "Segments that could not be made", stats.segment_failures),
        ("journal_marks", "MARKs written", stats.marks),
        ("journal_lookups", "Look-ups served", stats.lookups),
    ];
    for (name, help, value) in table {
        counter(out, name, help, value)?;
    }
    gauge(out, "journal_slowest_write_microseconds", "Longest write and flush", stats.slowest_micros)?;
    // Class n of the log holds writes below 2^n microseconds.
    let bounds: Vec<_> = (0..stats.classes.len()).map(|class| (1_u64 << class).to_string()).collect();
    let classes: Vec<_> = bounds.iter().map(String::as_str).zip(stats.classes).collect();
    let help = "Writes with their flush, by the power of two of microseconds they stayed below";
    family(out, "journal_writes_below", help, "microseconds", &classes)
}

fn counter(out: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    let mut metric = out.encode_descriptor(name, help, None, MetricType::Counter)?;
    metric.encode_counter::<NoLabelSet, _, u64>(&value, None)
}

fn gauge(out: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    // A gauge's integers are signed.
    signed_gauge(out, name, help, i64::try_from(value).unwrap_or(i64::MAX))
}

fn signed_gauge(out: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: i64) -> fmt::Result {
    out.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
}

/// A counter with one label.
fn family(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &str,
    values: &[(&str, u64)],
) -> fmt::Result {
    let mut metric = out.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (value, count) in values {
        metric.encode_family(&[(label, *value)])?.encode_counter::<NoLabelSet, _, u64>(count, None)?;
    }
    Ok(())
}
