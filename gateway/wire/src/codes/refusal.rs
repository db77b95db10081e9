//! Owns: the refusals: a no without a record.
//! Must never: renumber; promise that the request did not happen (only that this copy did nothing).
//! Laws: L4 (a refusal consumes no id), L12 (`busy`), L13 (`not_your_role`, `not_your_id`, `wrong_festival`).

use super::{Kind, codes};

codes! {
    /// A no without a record. This copy of the request did nothing; an earlier copy may have.
    Refusal, Kind::Refusal;
    Malformed = 64, "malformed", Useless,
        "The bytes are not a valid request: an impossible length, tag or field.",
        "Show an error and log the request: the software is wrong.";
    Unauthenticated = 65, "unauthenticated", Useless,
        "The device is not enrolled, or its enrolment has ended.",
        "Show that the terminal must be enrolled; ask for a technician.";
    NotYourRole = 66, "not_your_role", Useless,
        "The device is enrolled but may not do this.",
        "Show which role is missing; ask a supervisor.";
    NotYourId = 67, "not_your_id", Useless,
        "The id belongs to another device.",
        "Log it: the software is wrong or the device was cloned.";
    UnknownTag = 68, "unknown_tag", SameId,
        "No wallet belongs to this tag.",
        "Send the guest to a desk that opens wallets.";
    WrongFestival = 69, "wrong_festival", Useless,
        "The device or the wallet belongs to another festival.",
        "Show that the wristband is not from here.";
    UnknownItemOrPrice = 70, "unknown_item_or_price", Useless,
        "A line names an item that this till does not sell, or another price than the catalogue's.",
        "Load the new configuration, rebuild the sale, send it under a new id.";
    AmountZero = 71, "amount_zero", Useless,
        "The amount is zero or negative, or a line has quantity zero.",
        "Ask for an amount.";
    AmountTooLarge = 72, "amount_too_large", Useless,
        "The amount is over the festival's largest sale or top-up.",
        "Show the limit; split the sale if the house rules allow it.";
    IdReused = 73, "id_reused", Useless,
        "The id was used before for a request with another content.",
        "Log it: the counter was reset or the device cloned; stop selling until enrolled again.";
    Busy = 74, "busy", SameId,
        "A limit is reached; the answer says after how many milliseconds to come back.",
        "Wait that long, then send the same id again; show that it is waiting.";
    Late = 75, "late", SameId,
        "Taken up after the time its sender waits; the id is not known.",
        "Send the same id again with a new wait, or cancel it.";
    Internal = 76, "internal", SameId,
        "The server failed on this request.",
        "Send the same id again a few times, then cancel it.";
    NoOperator = 77, "no_operator", SameId,
        "The command gives money back and names no operator.",
        "Ask for the staff tag, then send the same id with the operator.";
    TagCollision = 78, "tag_collision", Useless,
        "The tag can't be told from another one; it can't be opened.",
        "Take another wristband.";
    Unsupported = 79, "unsupported", Useless,
        "The server does not know this command, tender, mark or version, or the festival does not allow such a hold.",
        "Show that the software must be brought to the server's version.";
    WrongTill = 80, "wrong_till", Useless,
        "The device is not assigned to this till.",
        "Load the new configuration; show the till that is assigned.";
    TooManyLines = 81, "too_many_lines", Useless,
        "More than 64 lines.",
        "Split the sale.";
    LinesDoNotAddUp = 82, "lines_do_not_add_up", Useless,
        "The amount is not the sum of quantity times unit price.",
        "Log it: the software is wrong.";
    Quarantined = 83, "quarantined", SameId,
        "The wallet made the server fail repeatedly and is set aside until a person has looked.",
        "Send the guest to the service desk.";
    AmountTooSmall = 84, "amount_too_small", Useless,
        "The amount is under the festival's smallest top-up.",
        "Show the limit; ask for a larger amount.";
    TransfersOff = 85, "transfers_off", Useless,
        "The festival does not let wallets pay each other.",
        "Do not offer it.";
    SameWallet = 86, "same_wallet", Useless,
        "Payer and payee are one wallet, or a band is to be given to itself.",
        "Ask for the other wristband.";
    DeviceRevoked = 87, "device_revoked", Useless,
        "The device was revoked: it may do nothing any more, not even read.",
        "Stop selling; show that the terminal belongs to the service desk.";
    AllowancesOff = 88, "allowances_off", Useless,
        "The festival lets no wallet give another one an allowance.",
        "Do not offer it.";
    NotThisOffice = 89, "not_this_office", Useless,
        "The command is for an office, and the festival has none of this number.",
        "Load the new configuration; choose a vendor of this festival.";
}
