//! Owns: the outcomes of reading.
//! Must never: be used for an answer that changed anything.
//! Laws: L10 (a read shows confirmed state only).

use super::{Kind, codes};

codes! {
    /// The outcome of a command that changes nothing.
    Read, Kind::Read;
    Balance = 128, "balance", SameId,
        "The balance of the wallet, with its last movements.",
        "Show them.";
    NeverSeen = 129, "never_seen", SameId,
        "No request with this id has taken effect or been declined. It may still be on its way: nothing is closed.",
        "Send the request again under the same id, or cancel it.";
}
