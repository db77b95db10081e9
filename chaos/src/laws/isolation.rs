//! L13: a device acts only in its festival and its roles, as they are in the version that the record
//! names. Judged from the record alone.

use actors::festival::Role;
use ledger::law::Law;
use ledger::record::{Body, Tender};

use super::{Seen, Verdict, Violation};

/// A record of a request names a device that may do this, on an id of its own, at its own till.
pub fn record(seen: &Seen<'_>) -> Verdict {
    let envelope = &seen.record.envelope;
    let Some(id) = envelope.request else { return Ok(()) };
    let broken = |what: &str| {
        let place = format!("shard {} record {}", seen.shard, seen.number);
        Err(Violation::new(Law::Isolation, format!("{place}: {what}: {:?}", seen.record)))
    };
    if envelope.device.is_some() && envelope.device != id.device() {
        return broken("acts on another device's id");
    }
    let Some(festival) = seen.festival else { return broken("names no configuration") };
    let Some(device) = id.device().and_then(|device| festival.device(device)) else {
        return broken("the device is not enrolled");
    };
    if device.revoked {
        return broken("the device was revoked");
    }
    let role = match &seen.record.body {
        Body::WalletOpened { .. } => Role::Pair,
        Body::ToppedUp { tender: Tender::Cash, .. }
        | Body::TransferSent { .. }
        | Body::AllowanceSet { .. } => Role::TopUp,
        Body::ToppedUp { tender: Tender::Bonus, .. } => Role::Supervise,
        Body::Purchased { .. } | Body::Held { .. } | Body::Captured { .. } | Body::HoldReleased { .. } => {
            Role::Sell
        }
        Body::Voided { .. } => Role::Refund,
        Body::PaidOut { .. } | Body::ConfigurationStaged { .. } | Body::ConfigurationAdopted { .. } => {
            Role::Administer
        }
        _ => return Ok(()),
    };
    if !device.roles.has(role) {
        return broken("the device lacks the role");
    }
    match envelope.till {
        Some(till) if till != device.till => broken("the device stands at another till"),
        None if matches!(role, Role::Sell) || matches!(seen.record.body, Body::ToppedUp { .. }) => {
            broken("no till is named")
        }
        _ => Ok(()),
    }
}
