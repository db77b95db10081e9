//! How records, amounts and times are shown to a person. Plain ASCII, one fact a line.

use std::fmt::{self, Write as _};

use actors::codes::Decline;
use actors::shard_state::Decision;
use actors::wallet::Balances;
use jiff::Timestamp;
use ledger::ids::{At, RecordNumber, RequestId};
use ledger::money::{Amount, Currency};
use ledger::record::{Body, Envelope, Line, Message, Record, Tax, Tender};

/// `2026-06-01T18:03:22.123456Z`.
pub(crate) fn time(at: At) -> String {
    match Timestamp::from_microsecond(at.0) {
        Ok(time) => format!("{time:.6}"),
        Err(_) => format!("{} microseconds", at.0),
    }
}

/// `0000010000000007 (device 1, counter 7)`.
pub(crate) fn request(id: RequestId) -> String {
    let device = id.device().map_or(0, ledger::ids::DeviceNumber::get);
    format!("{id} (device {device}, counter {})", id.counter())
}

/// `paid 13.50 EUR, bonus 0.00 EUR`; deposits only where there are any.
pub(crate) fn balances(balances: &Balances, currency: Currency) -> String {
    let amount = |minor| Amount::new(minor, currency);
    let (paid, bonus) = (amount(balances.paid), amount(balances.bonus));
    match balances.deposit {
        0 => format!("paid {paid}, bonus {bonus}"),
        deposit => format!("paid {paid}, bonus {bonus}, deposit {}", amount(deposit)),
    }
}

/// What came of the decision, in a word or two.
pub(crate) fn outcome(record: &Record) -> String {
    match record.decline {
        None => "applied".to_owned(),
        Some(code) => match Decline::from_record(code) {
            Some(decline) => format!("declined {}", decline.name()),
            None => format!("declined with code {}", code.0),
        },
    }
}

/// What `decide` came to, where it is not the record that was expected.
pub(crate) fn decision(decision: &Decision) -> String {
    match decision {
        Decision::Record(record) => {
            format!("another record: {} {}", record.body.kind().name(), outcome(record))
        }
        Decision::Answer(answer) => format!("no record, but the answer {:?}", answer.verdict),
        Decision::Statement(_) => "a statement".to_owned(),
        Decision::Evidence(position) => format!("a wish for record {position} as evidence"),
        Decision::Elsewhere(actor) => format!("a word to ask {actor}"),
    }
}

/// A record with everything in it. `currency` is that of its block.
pub(crate) fn record(
    number: RecordNumber,
    record: &Record,
    currency: Currency,
) -> Result<String, fmt::Error> {
    let mut out = String::new();
    let kind = record.body.kind().name();
    write!(out, "record {number}  {}  {kind}", time(record.at))?;
    let asked = record.envelope.request.is_some() || record.decline.is_some();
    writeln!(out, "{}", if asked { format!("  {}", outcome(record)) } else { String::new() })?;
    envelope(&mut out, &record.envelope)?;
    body(&mut out, &record.body, currency)?;
    for posting in record.entry.postings() {
        let amount = Amount::new(posting.minor, posting.account.currency);
        let side = if posting.minor > 0 { "debit" } else { "credit" };
        let amount = if posting.minor < 0 { amount.checked_neg().unwrap_or(amount) } else { amount };
        writeln!(out, "    {side:6} {:>14}  {}", amount.to_string(), posting.account)?;
    }
    Ok(out)
}

fn envelope(out: &mut String, envelope: &Envelope) -> fmt::Result {
    if let Some(id) = envelope.request {
        writeln!(out, "    request {}", request(id))?;
    }
    let mut facts = Vec::new();
    let mut fact = |name: &str, value: Option<String>| {
        facts.extend(value.map(|value| format!("{name} {value}")));
    };
    fact("wallet", envelope.wallet.map(|wallet| wallet.to_string()));
    fact("tag", envelope.tag.map(|tag| tag.to_string()));
    fact("device", envelope.device.map(|device| device.to_string()));
    fact("till", envelope.till.map(|till| till.to_string()));
    fact("operator", envelope.operator.map(|operator| operator.to_string()));
    let rare = envelope.rare.as_ref();
    fact("zone", rare.and_then(|rare| rare.zone).map(|zone| zone.to_string()));
    fact("tag counter", envelope.tag_counter.map(|counter| counter.to_string()));
    fact("happened", envelope.happened.map(time));
    fact("replaces", envelope.replaces.map(|id| id.to_string()));
    fact("mode", envelope.mode.offline.then(|| "offline".to_owned()));
    fact("mode", envelope.mode.training.then(|| "training".to_owned()));
    fact("configuration", envelope.configuration.map(|version| version.to_string()));
    if !facts.is_empty() {
        writeln!(out, "    {}", facts.join(", "))?;
    }
    let Some(mail) = &envelope.mail else { return Ok(()) };
    if let Some(taken) = mail.taken {
        writeln!(out, "    takes message {} of shard {}", taken.number, taken.from)?;
    }
    for sent in &mail.sent {
        writeln!(out, "    sends message {} to shard {}: {}", sent.number, sent.to, message(&sent.message))?;
    }
    Ok(())
}

fn body(out: &mut String, body: &Body, currency: Currency) -> fmt::Result {
    let amount = |minor| Amount::new(minor, currency);
    match body {
        Body::LedgerOpened(genesis) => {
            let ledger::record::Genesis { ledger, shards, level, .. } = genesis;
            writeln!(out, "    ledger {ledger}, {shards} shards, format level {level}")
        }
        Body::EpochOpened { epoch } => writeln!(out, "    epoch {}", epoch.0),
        Body::ConfigurationStaged { version, part, bytes } => {
            writeln!(out, "    version {version}, part {part}, {} bytes", bytes.len())
        }
        Body::ConfigurationAdopted { version, parts, hash } => {
            writeln!(out, "    version {version}, {parts} parts, hash {}", hex(hash))
        }
        Body::WalletOpened { festival, .. } => writeln!(out, "    festival {}", festival.0),
        Body::ToppedUp { tender, amount: minor } => {
            let tender = match tender {
                Tender::Cash => "cash",
                Tender::Bonus => "bonus",
            };
            writeln!(out, "    {tender} {}", amount(*minor))
        }
        Body::Purchased { lines, taxes, confirmed } => {
            sale(out, lines, taxes, currency)?;
            if *confirmed { writeln!(out, "    confirmed as no repeat") } else { Ok(()) }
        }
        Body::Voided { sale, position: Some(position) } => {
            writeln!(out, "    takes back sale {}, record {position}", request(*sale))
        }
        Body::Voided { sale, position: None } => writeln!(out, "    asks for sale {}", request(*sale)),
        Body::Cancelled { position } => writeln!(out, "    of record {position}"),
        Body::TransferSent { payee, amount: minor } => {
            writeln!(out, "    {} for wallet {payee}", amount(*minor))
        }
        Body::Delivered { message: said } | Body::DeadLettered { message: said } => {
            writeln!(out, "    {}", message(said))
        }
        Body::Acknowledged { to, up_to } => writeln!(out, "    shard {to} has taken messages up to {up_to}"),
        Body::Swept { vendor, amount: minor } => writeln!(out, "    {} of vendor {vendor}", amount(*minor)),
        Body::TagPaired { wallet, replaces: None, .. } => writeln!(out, "    for wallet {wallet}"),
        Body::TagPaired { wallet, replaces: Some(tag), .. } => {
            writeln!(out, "    for wallet {wallet}, in the place of tag {tag}")
        }
        Body::TagSet { tag, blocked } => {
            writeln!(out, "    tag {tag} {}", if *blocked { "blocked" } else { "unblocked" })
        }
        Body::Held { amount: minor, seconds } => writeln!(out, "    {} for {seconds} s", amount(*minor)),
        Body::Captured { hold, lines, taxes, .. } => {
            writeln!(out, "    out of what {} held", request(*hold))?;
            sale(out, lines, taxes, currency)
        }
        Body::HoldReleased { hold } | Body::HoldExpired { hold } => {
            writeln!(out, "    what {} held", request(*hold))
        }
        Body::AllowanceSet { child, target, mark } => {
            let (target, mark) = (amount(*target), amount(*mark));
            writeln!(out, "    wallet {child} is kept at {target}, filled up below {mark}")
        }
        Body::AllowanceReturned { parent, amount: minor } => {
            writeln!(out, "    {} back to wallet {parent}", amount(*minor))
        }
        Body::PaidOut { amount: minor } => writeln!(out, "    {}", amount(*minor)),
        Body::Burned { .. } | Body::Quarantined | Body::Released | Body::Told => Ok(()),
    }
}

fn sale(out: &mut String, lines: &[Line], taxes: &[Tax], currency: Currency) -> fmt::Result {
    let amount = |minor| Amount::new(minor, currency);
    for Line { item, quantity, unit_price, vat } in lines {
        let price = amount(i64::from(*unit_price));
        writeln!(out, "    {quantity} x item {item} at {price}, VAT {vat}")?;
    }
    for tax in taxes {
        writeln!(out, "    VAT {}: base {}, tax {}", tax.rate, amount(tax.base), amount(tax.tax))?;
    }
    Ok(())
}

/// A message between shards, in words.
fn message(said: &Message) -> String {
    match said {
        Message::Transfer { payer, payee, currency, amount, .. } => {
            format!("transfer of {} from wallet {payer} to wallet {payee}", Amount::new(*amount, *currency))
        }
        Message::Swept { vendor, currency, amount } => {
            format!("sales of {} of vendor {vendor}, on their way home", Amount::new(*amount, *currency))
        }
        Message::Paired { tag, wallet, replaces: None, .. } => format!("tag {tag} for wallet {wallet}"),
        Message::Paired { tag, wallet, replaces: Some(old), .. } => {
            format!("tag {tag} for wallet {wallet}, in the place of tag {old}")
        }
        Message::ConfigurationPart { version, part, bytes } => {
            format!("part {part} of configuration {version}, {} bytes", bytes.len())
        }
        Message::ConfigurationOrder { version, parts, .. } => {
            format!("configuration {version} of {parts} parts is to be in force")
        }
        Message::Allowance { parent, child, currency, amount, .. } if said.gives_back() => {
            let amount = Amount::new(*amount, *currency);
            format!("what is left of an allowance, {amount}, from wallet {parent} back to wallet {child}")
        }
        Message::Allowance { parent, child, target, mark, currency, amount, .. } => {
            let money = |minor| Amount::new(minor, *currency);
            let (target, mark, amount) = (money(*target), money(*mark), money(*amount));
            format!("wallet {parent} keeps wallet {child} at {target}, filled up below {mark}: {amount}")
        }
        Message::AllowanceAsked { child, parent, currency, amount, .. } => {
            format!("wallet {child} asks wallet {parent} for {}", Amount::new(*amount, *currency))
        }
        Message::Returned { number, why, message: back } => {
            let why = Decline::from_record(*why).map_or("a later code", Decline::name);
            format!("message {number} comes back, {why}: {}", message(back))
        }
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_ids_are_shown_in_full() {
        assert_eq!(time(At(1_780_336_999_123_456)), "2026-06-01T18:03:19.123456Z");
        assert_eq!(time(At(i64::MAX)), "9223372036854775807 microseconds");
        assert_eq!(request(RequestId::new(3 << 40 | 7).unwrap()), "0000030000000007 (device 3, counter 7)");
        assert_eq!(hex(&[0, 255, 16]), "00ff10");
    }

    #[test]
    fn every_kind_of_record_can_be_shown() {
        let mut rng = fastrand::Rng::with_seed(4);
        let mut choose = |below: u64| rng.u64(0..below.max(1));
        for kind in ledger::record::Kind::ALL {
            for _ in 0..200 {
                let sample = ledger::record::sample_of(kind, &mut choose);
                let text = super::record(RecordNumber(5), &sample, Currency::EUR).unwrap();
                assert!(text.starts_with("record 5  ") && text.contains(kind.name()), "{text}");
                assert!(text.is_ascii() && text.ends_with('\n'), "{text}");
            }
        }
    }
}
