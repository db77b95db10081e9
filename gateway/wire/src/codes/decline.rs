//! Owns: the declines: decided on the wallet's state, recorded, for ever the answer to their id.
//! Must never: renumber; hold a no that leaves no record (that is a refusal).
//! Laws: L4 (a decline consumes its id), L2 (floors are kept by declining).

use super::{Kind, codes};

codes! {
    /// A decided no. It is a record, it consumes the request's id, a retry gets it again.
    Decline, Kind::Decline;
    InsufficientFunds = 1, "insufficient_funds", NewId,
        "The wallet holds less than the amount; the answer carries what it holds.",
        "Show the balance and what is missing; offer a top-up or fewer items.";
    OverCap = 2, "over_cap", NewId,
        "The balance would pass the festival's cap.",
        "Show the balance and the cap; offer a smaller amount.";
    LooksRepeated = 3, "looks_repeated", NewId,
        "The same wallet paid the same amount at this till a moment ago under another id.",
        "Ask whether it is a second sale; if so, send it under a new id with the confirm flag.";
    Cancelled = 4, "cancelled", NewId,
        "The request was cancelled by its own device; nothing of it stands.",
        "Show the sale as cancelled; a new sale takes a new id.";
    Burned = 5, "burned", NewId,
        "The id was given up before the request arrived; this straggler moved nothing.",
        "Show the sale as not made; a new sale takes a new id.";
    WalletBlocked = 6, "wallet_blocked", Useless,
        "The band is blocked: it was reported lost.",
        "Send the guest to the service desk.";
    TagReplaced = 7, "tag_replaced", Useless,
        "The wristband was replaced by another one, which pays for the same wallet.",
        "Ask for the new wristband; keep the old one.";
    AlreadyOpen = 8, "already_open", Useless,
        "The tag has a wallet already; the answer carries its balance.",
        "Go on: the wallet can be used. At an issuing desk take another wristband.";
    AlreadyVoided = 9, "already_voided", Useless,
        "The purchase was voided before: its money is back in the wallet.",
        "Show that the money is back already.";
    TopUpSpent = 10, "top_up_spent", NewId,
        "The request can't be undone: its money is spent. It stands.",
        "Show the top-up as made; keep the cash.";
    NoSuchSale = 11, "no_such_sale", NewId,
        "The wallet knows no purchase with this id that took effect.",
        "Check the receipt and the wristband.";
    WalletInUse = 12, "wallet_in_use", NewId,
        "The opening can't be undone: something else took effect on the wallet. It stands.",
        "Show the wallet as open.";
    Undeliverable = 13, "undeliverable", NewId,
        "Money on its way found no wallet there and went back, or an asking for an allowance no place for its answer. No request gets this answer; journals name it.",
        "Show the text of an unknown decline.";
    TransferGone = 14, "transfer_gone", NewId,
        "The transfer can't be undone: its money has left for the other wallet. It stands. So does an allowance that was set.",
        "Show it as made; the other wallet can pay it back, an allowance can be ended.";
    TagTaken = 15, "tag_taken", NewId,
        "The band belongs to a wallet already, or another desk was faster.",
        "Take another wristband.";
    FestivalPaused = 16, "festival_paused", NewId,
        "The festival is paused: nothing is sold or paid in.",
        "Say so to the guest; try again when it goes on.";
    FestivalClosed = 17, "festival_closed", NewId,
        "The festival is over: nothing is sold or paid in any more.",
        "Say so to the guest.";
    OutsideHours = 18, "outside_hours", NewId,
        "The festival or the vendor is not open at this hour.",
        "Show when it opens.";
    VendorStopped = 19, "vendor_stopped", NewId,
        "The organiser has stopped this vendor's sales.",
        "Say so to the guest; ask the organiser.";
    ItemStopped = 20, "item_stopped", NewId,
        "The organiser has stopped the sale of one of the items.",
        "Load the new configuration; take the item out and sell the rest under a new id.";
    NoSuchHold = 21, "no_such_hold", NewId,
        "The wallet knows no authorisation of this vendor with this id that took effect.",
        "Check the receipt and the wristband.";
    HoldEnded = 22, "hold_ended", NewId,
        "What was held has been captured or given back, by a release or because its time was up.",
        "Look the capture up, or sell the lines as a purchase under a new id.";
    AboveHold = 23, "above_hold", NewId,
        "The sale is above what is held; nothing is sold, what is held stays held.",
        "Capture at most what is held; sell the rest as a purchase.";
    StaleConfiguration = 24, "stale_configuration", NewId,
        "The configuration is not the one after the version in force: somebody else changed it.",
        "Load the configuration in force and make the change anew.";
    BadConfiguration = 25, "bad_configuration", NewId,
        "What was staged is no configuration that may follow the one in force.",
        "Show that the change was refused; stage it again, or mend it.";
    NotItsTag = 26, "not_its_tag", NewId,
        "The band to be replaced is not the wallet's, or was replaced before. No request gets this answer; journals name it.",
        "Show the text of an unknown decline.";
    NoAllowance = 27, "no_allowance", NewId,
        "The other wallet has no allowance of this one that could be ended.",
        "Show that there is none.";
    Stands = 28, "stands", NewId,
        "The request can't be undone by a cancel: others rely on it. It stands.",
        "Show it as done; ask for the opposite if it is wrong.";
    TooManyHolds = 29, "too_many_holds", NewId,
        "The wallet has 8 authorisations open.",
        "Capture or release one of them first, or sell as a purchase.";
    TooManyTags = 30, "too_many_tags", NewId,
        "The wallet has as many bands as a wallet can have. No request gets this answer; journals name it.",
        "Show the text of an unknown decline.";
    TooManyAllowances = 31, "too_many_allowances", NewId,
        "The wallet gives an allowance to as many as it may: 16.",
        "End another one first.";
}
