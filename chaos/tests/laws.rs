//! Each law can fail: histories and answers that break exactly one, and must be named.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::rc::Rc;
use std::sync::Arc;

use actors::answer::{Answer, Statement, Verdict as Says};
use actors::codes::{Decline, Outcome, Refusal};
use actors::command::{AskedLine, Command, Request};
use actors::festival::{Festival, Lists, Prices, Role, Roles, Scheduled, Settings};
use chaos::laws::{Laws, Verdict};
use chaos::world::fixture;
use chaos::world::organiser;
use chaos::world::process;
use engine::job::{Message, Mono};
use ledger::account::{Account, AccountKind};
use ledger::block::{Draft, Head};
use ledger::entry::{Entry, Posting};
use ledger::ids::{At, Epoch, ItemId, RecordNumber, ShardId, VendorId, Version};
use ledger::journal::embedded::{Log, LogConfig, Port, SimDisk, Worker};
use ledger::journal::{Event, Journal};
use ledger::law::Law;
use ledger::money::Currency;
use ledger::money::VatRate;
use ledger::record::{Body, Envelope, Line, Mail, Message as Wire, Record, Sent, Taken, Tax, Tender};

/// A ledger of one shard whose records are written by hand, with the laws looking on.
struct Forge {
    disk: SimDisk,
    _log: Log,
    worker: Worker,
    port: Port,
    head: Head,
    laws: Laws,
    state: actors::shard_state::ShardState,
    tokens: u64,
}

fn config() -> LogConfig {
    LogConfig::small(Arc::new(|| 0))
}

impl Forge {
    fn new() -> Self {
        let disk = SimDisk::new(1);
        let festival = Arc::new(fixture::festival(true).unwrap());
        process::found(&disk, config(), 1, &festival, fixture::START).unwrap();
        let mut state = actors::shard_state::ShardState::new(ShardId(0));
        let (log, opened) = Log::open(Arc::new(disk.clone()), config(), &mut |block| {
            actors::replay::apply_block(&mut state, &block).unwrap();
            Ok(())
        })
        .unwrap();
        let mut laws = Laws::new(festival, 1, 1);
        laws.reopened(&disk).unwrap();
        let (worker, port) = (log.worker(), log.port(None));
        Self { disk, _log: log, worker, port, head: opened.heads[0], laws, state, tokens: 0 }
    }

    /// Asks; gives the token.
    fn ask(&mut self, request: &Request) -> u64 {
        self.tokens += 1;
        self.laws.submitted(self.tokens, 0, &Rc::new(request.clone()), None);
        self.tokens
    }

    /// Makes a record durable and lets the laws look.
    fn write(&mut self, record: &Record) -> Verdict {
        let mut draft = Draft::new(fixture::LEDGER, ShardId(0), Epoch(1));
        draft.begin(self.state.prologue(record.at));
        draft.push(record);
        draft.place(self.head);
        self.port.submit(Box::new(draft)).unwrap();
        let mut events = Vec::new();
        while events.is_empty() {
            self.worker.step();
            self.port.events(&mut events);
        }
        let Some(Event::Confirmed { head, .. }) = events.pop() else { panic!("not confirmed") };
        self.head = head;
        self.laws.look(&self.disk)
    }

    /// A record of `request` as the engine would write it, but for what the caller says.
    fn record(
        &self,
        request: &Request,
        body: Body,
        decline: Option<Decline>,
        postings: &[Posting],
    ) -> Record {
        Record {
            at: At(fixture::START.0 + 1_000),
            envelope: Envelope {
                wallet: Some(request.tag.number.as_wallet()),
                request: Some(request.id),
                content: request.content,
                till: request.till,
                operator: request.operator,
                configuration: self.state.adopted().map(|adopted| adopted.version),
                catalogue: self.state.adopted().map(|adopted| adopted.version),
                policy: self.state.adopted().map(|adopted| adopted.version),
                ..Envelope::default()
            },
            body,
            decline: decline.and_then(Decline::to_record),
            entry: Entry::new(postings.iter().copied()).unwrap(),
        }
    }

    /// Another version comes into force; records are still made by hand as if it had not.
    fn changed(&mut self, change: impl FnOnce(&mut Settings, &mut Lists)) {
        let (mut settings, mut lists) = organiser::taken_apart(&self.state.adopted().unwrap().festival);
        settings.version = Version::new(2).unwrap();
        change(&mut settings, &mut lists);
        let next = Festival::new(settings, lists).unwrap();
        let (version, bytes) = (next.version, next.encode());
        let hash = *blake3::hash(&bytes).as_bytes();
        let adopted = Body::ConfigurationAdopted { version, parts: 1, hash };
        for body in [Body::ConfigurationStaged { version, part: 0, bytes }, adopted] {
            let first = Version::new(1);
            let envelope =
                Envelope { configuration: first, catalogue: first, policy: first, ..Envelope::default() };
            self.write(&Record::fact(At(fixture::START.0 + 1_000), envelope, body)).unwrap();
        }
    }

    /// A wallet that was opened, and its request.
    fn opened(&mut self) -> Request {
        let open = request(4, 1, Command::Open);
        self.ask(&open);
        let record = self.open_record(&open);
        self.write(&record).unwrap();
        open
    }

    fn open_record(&self, open: &Request) -> Record {
        let body = Body::WalletOpened { check: open.tag.check, festival: fixture::FESTIVAL };
        self.record(open, body, None, &[])
    }

    fn top_up_record(&self, request: &Request, asked: i64, posted: i64) -> Record {
        let postings = [
            Posting { account: Account::new(AccountKind::CashDrawer, 3, Currency::EUR), minor: posted },
            Posting {
                account: Account::new(AccountKind::WalletPaid, request.tag.number.get(), Currency::EUR),
                minor: -posted,
            },
        ];
        self.record(request, Body::ToppedUp { tender: Tender::Cash, amount: asked }, None, &postings)
    }

    /// Wallet 1 buys a beer at 6.50 of vendor 1.
    fn sold(&mut self) {
        let asked = [AskedLine { item: 1, quantity: 1, unit_price: 650 }].into_iter().collect();
        let sale = request(1, 9, Command::Purchase { lines: asked, amount: 650, confirmed: true });
        self.ask(&sale);
        let (item, vat) = (ItemId::new(1).unwrap(), VatRate::new(2_000).unwrap());
        let lines = [Line { item, quantity: 1, unit_price: 650, vat }].into_iter().collect();
        let (base, tax) = vat.split(650);
        let taxes = [Tax { rate: vat, base, tax }].into_iter().collect();
        let account = |kind, owner| Account::new(kind, owner, Currency::EUR);
        let postings = [
            Posting { account: account(AccountKind::WalletPaid, sale.tag.number.get()), minor: 650 },
            Posting { account: account(AccountKind::VendorSales, 1), minor: -650 },
        ];
        let record = self.record(&sale, Body::Purchased { lines, taxes, confirmed: true }, None, &postings);
        self.write(&record).unwrap();
    }

    fn tell(&mut self, token: u64, answer: Answer) -> Option<Law> {
        let told = self.laws.released(token, &Message::Answer(answer), Mono(0));
        told.err().map(|violation| violation.law)
    }
}

fn request(device: u32, counter: u64, command: Command) -> Request {
    let keys = fixture::keys();
    fixture::request(&keys, device, counter, fixture::tag(&keys, 1), command).unwrap()
}

fn cash(counter: u64, amount: i64) -> Request {
    request(4, counter, Command::TopUp { tender: Tender::Cash, amount })
}

fn answer(request: &Request, verdict: Says, record: u64, balance: i64) -> Answer {
    let command = request.command.number();
    Answer { id: request.id, command, verdict, shard: ShardId(0), record: RecordNumber(record), balance }
}

/// What vendor 1 sold leaves for its home, in the same shard.
fn sweep_record(amount: i64) -> Record {
    let vendor = VendorId::new(1).unwrap();
    let message = Wire::Swept { vendor, currency: Currency::EUR, amount };
    let sent = Sent { to: ShardId(0), number: 1, message };
    let account = |kind, owner| Account::new(kind, owner, Currency::EUR);
    let postings = [
        Posting { account: account(AccountKind::VendorSales, 1), minor: amount },
        Posting { account: account(AccountKind::Transit, 0), minor: -amount },
    ];
    let first = Version::new(1);
    let mail = Some(Box::new(Mail { taken: None, sent: [sent].into_iter().collect() }));
    let envelope =
        Envelope { configuration: first, catalogue: first, policy: first, mail, ..Envelope::default() };
    let entry = Entry::new(postings).unwrap();
    let body = Body::Swept { vendor, amount };
    Record { at: At(fixture::START.0 + 1_000), envelope, body, decline: None, entry }
}

const APPLIED: Says = Says::Applied(Outcome::Applied);

fn law(verdict: Verdict) -> Option<Law> {
    verdict.err().map(|violation| violation.law)
}

#[test]
fn an_honest_history_breaks_nothing() {
    let mut forge = Forge::new();
    forge.opened();
    let top_up = cash(2, 500);
    let token = forge.ask(&top_up);
    let record = forge.top_up_record(&top_up, 500, 500);
    let number = forge.head.next_record.0;
    assert_eq!(forge.write(&record), Ok(()));
    assert_eq!(forge.tell(token, answer(&top_up, APPLIED, number, 500)), None);
    assert_eq!(forge.laws.full_replay(&forge.disk.clone()).map_err(|violation| violation.law), Ok(()));
}

#[test]
fn l3_an_answer_before_its_record_is_durable() {
    let mut forge = Forge::new();
    forge.opened();
    let top_up = cash(2, 500);
    let token = forge.ask(&top_up);
    let number = forge.head.next_record.0;
    assert_eq!(forge.tell(token, answer(&top_up, APPLIED, number, 500)), Some(Law::DurableBeforeTold));
}

/// A vendor's home that holds what nobody ever paid.
#[test]
fn l2_a_sweep_of_more_than_its_stripe_holds() {
    for (amount, judged) in [(649, None), (650, None), (651, Some(Law::Floors)), (1_300, Some(Law::Floors))] {
        let mut forge = Forge::new();
        forge.opened();
        let top_up = cash(2, 1_000);
        forge.ask(&top_up);
        forge.write(&forge.top_up_record(&top_up, 1_000, 1_000)).unwrap();
        forge.sold();
        let record = sweep_record(amount);
        assert_eq!(law(forge.write(&record)), judged, "{amount}");
    }
}

#[test]
fn l4_a_record_nobody_asked_for_and_one_that_takes_effect_again() {
    let mut forge = Forge::new();
    forge.opened();
    let record = forge.top_up_record(&cash(2, 500), 500, 500);
    assert_eq!(law(forge.write(&record)), Some(Law::ExactlyOnce));
    let mut forge = Forge::new();
    let open = forge.opened();
    let again = forge.open_record(&open);
    assert_eq!(law(forge.write(&again)), Some(Law::ExactlyOnce));
}

#[test]
fn l4_an_answer_that_is_not_the_first_one() {
    let mut forge = Forge::new();
    let open = forge.opened();
    let number = forge.head.next_record.0 - 1;
    let (first, second, third) = (forge.ask(&open), forge.ask(&open), forge.ask(&open));
    assert_eq!(forge.tell(first, answer(&open, APPLIED, number, 0)), None);
    assert_eq!(forge.tell(first, answer(&open, APPLIED, number, 0)), Some(Law::ExactlyOnce), "told twice");
    assert_eq!(forge.tell(second, answer(&open, APPLIED, number, 5)), Some(Law::ExactlyOnce));
    let declined = Says::Declined(Decline::AlreadyOpen);
    assert_eq!(forge.tell(third, answer(&open, declined, number, 0)), Some(Law::ExactlyOnce));
}

#[test]
fn l9_a_record_that_the_history_does_not_give() {
    let mut forge = Forge::new();
    forge.opened();
    let top_up = cash(2, 500);
    forge.ask(&top_up);
    let over_cap = Body::ToppedUp { tender: Tender::Cash, amount: 500 };
    let record = forge.record(&top_up, over_cap, Some(Decline::OverCap), &[]);
    assert_eq!(law(forge.write(&record)), Some(Law::Order), "it is not over the cap");
    let mut forge = Forge::new();
    forge.opened();
    forge.ask(&top_up);
    let record = forge.top_up_record(&top_up, 500, 600);
    assert_eq!(law(forge.write(&record)), Some(Law::Order), "another amount moved");
    let mut forge = Forge::new();
    forge.opened();
    forge.ask(&top_up);
    let record = Record { at: At(5), ..forge.top_up_record(&top_up, 500, 500) };
    assert_eq!(law(forge.write(&record)), Some(Law::Order), "ledger time fell");
}

#[test]
fn l9_and_l10_a_read_of_the_past_and_of_what_is_not_durable() {
    let mut forge = Forge::new();
    forge.opened();
    let balance = request(1, 1, Command::Balance);
    let (stale, loose) = (forge.ask(&balance), forge.ask(&balance));
    let unknown = Says::Refused(Refusal::UnknownTag);
    assert_eq!(forge.tell(stale, answer(&balance, unknown, 0, 0)), Some(Law::Order));
    let ahead =
        Statement { answer: answer(&balance, Says::Balance, 0, 500), movements: [].into_iter().collect() };
    let told = forge.laws.released(loose, &Message::Statement(Box::new(ahead)), Mono(0));
    assert_eq!(told.err().map(|violation| violation.law), Some(Law::NoLooseTalk));
    let sound = forge.ask(&balance);
    let internal = Says::Refused(Refusal::Internal);
    assert_eq!(forge.tell(sound, answer(&balance, internal, 0, 0)), Some(Law::NoLooseTalk));
}

#[test]
fn l13_a_device_without_the_role() {
    let mut forge = Forge::new();
    let open = request(1, 1, Command::Open);
    forge.ask(&open);
    let record = forge.open_record(&open);
    assert_eq!(law(forge.write(&record)), Some(Law::Isolation));
}

/// A price that comes into force at a moment: a bar that was told the wrong one has no record to show.
#[test]
fn l10_a_price_refused_outside_the_time_in_which_it_is() {
    let sale = |price: u32| {
        let lines = [AskedLine { item: 1, quantity: 1, unit_price: price }];
        let amount = price.into();
        request(1, 9, Command::Purchase { lines: lines.into_iter().collect(), amount, confirmed: true })
    };
    let told = |price: u32, from: i64, latest: i64| {
        let mut forge = Forge::new();
        forge.opened();
        let scheduled = Scheduled { from: At(fixture::START.0 + from), price: 700 };
        forge.changed(|_, lists| lists.items[0].prices = Prices::new(650, vec![scheduled]).unwrap());
        forge.laws.clock_was(At(fixture::START.0 + latest));
        let (token, asked) = (forge.ask(&sale(price)), sale(price));
        forge.tell(token, answer(&asked, Says::Refused(Refusal::UnknownItemOrPrice), 0, 0))
    };
    // The last record stands at 1,000 microseconds.
    assert_eq!(told(700, 500, 2_000), Some(Law::Order), "so it was before it was asked");
    assert_eq!(told(700, 1_500, 2_000), None, "it came into force meanwhile");
    assert_eq!(told(650, 1_500, 2_000), Some(Law::NoLooseTalk), "the old one is taken for a while");
    assert_eq!(told(650, 1_500, 40_000_000), None, "no longer");
}

/// The same record as if it had been decided by version 2.
fn by_the_second(record: Record) -> Record {
    let second = Version::new(2);
    let envelope =
        Envelope { configuration: second, catalogue: second, policy: second, ..record.envelope.clone() };
    Record { envelope, ..record }
}

/// A bar that was closed for its kitchen sold on, because its shard had forgotten that it knew.
#[test]
fn l9_a_decision_by_an_older_version_than_its_shard_has_adopted_and_by_one_that_it_has_not() {
    let open = request(4, 1, Command::Open);
    let mut forge = Forge::new();
    forge.ask(&open);
    let ahead = by_the_second(forge.open_record(&open));
    assert_eq!(law(forge.write(&ahead)), Some(Law::Order), "version 2 is not there yet");
    let mut forge = Forge::new();
    forge.changed(|_, _| {});
    forge.ask(&open);
    let behind = forge.open_record(&open);
    assert_eq!(law(forge.write(&behind)), Some(Law::Order), "version 1 is over");
    let mut forge = Forge::new();
    forge.changed(|_, _| {});
    forge.ask(&open);
    let sound = by_the_second(forge.open_record(&open));
    assert_eq!(forge.write(&sound), Ok(()));
    // Whoever reads the log from the front finds it, too.
    forge.laws.reopened(&forge.disk.clone()).unwrap();
    let top_up = cash(2, 500);
    forge.ask(&top_up);
    let record = forge.top_up_record(&top_up, 500, 500);
    assert_eq!(law(forge.write(&record)), Some(Law::Order), "after a restart it fell back");
}

/// A stolen terminal, or a barman who may no longer do it, went on.
#[test]
fn l13_a_device_that_was_revoked_or_lost_its_role() {
    let open = request(4, 1, Command::Open);
    let device = |lists: &Lists| lists.devices.iter().position(|device| device.number.get() == 4).unwrap();
    let mut forge = Forge::new();
    forge.changed(|_, lists| {
        let device = device(lists);
        lists.devices[device].revoked = true;
    });
    forge.ask(&open);
    let record = by_the_second(forge.open_record(&open));
    assert_eq!(law(forge.write(&record)), Some(Law::Isolation), "it was revoked");
    let mut forge = Forge::new();
    forge.changed(|_, lists| {
        let device = device(lists);
        lists.devices[device].roles = Roles::default().with(Role::Sell);
    });
    forge.ask(&open);
    let record = by_the_second(forge.open_record(&open));
    assert_eq!(law(forge.write(&record)), Some(Law::Isolation), "its role was taken");
}

/// A guest was charged the price of an earlier version, and a stolen terminal was told whose band it held.
#[test]
fn l9_and_l10_what_is_said_and_done_is_what_the_version_gives() {
    let sale = |price: u32| {
        let lines = [AskedLine { item: 1, quantity: 1, unit_price: price }];
        let amount = price.into();
        request(1, 9, Command::Purchase { lines: lines.into_iter().collect(), amount, confirmed: true })
    };
    let line = |unit_price| Line {
        item: ItemId::new(1).unwrap(),
        quantity: 1,
        unit_price,
        vat: VatRate::new(2_000).unwrap(),
    };
    let dearer = || {
        let mut forge = Forge::new();
        forge.opened();
        forge.changed(|_, lists| lists.items[0].prices = Prices::fixed(700));
        forge
    };
    for (price, judged) in [(650, Some(Law::Order)), (700, None)] {
        let (mut forge, sale) = (dearer(), sale(price));
        forge.ask(&sale);
        let (lines, taxes) = ([line(price)].into_iter().collect(), [].into_iter().collect());
        let body = Body::Purchased { lines, taxes, confirmed: true };
        let record = forge.record(&sale, body, Some(Decline::InsufficientFunds), &[]);
        assert_eq!(law(forge.write(&by_the_second(record))), judged, "{price}");
    }
    let (mut forge, gone) = (dearer(), sale(650));
    let token = forge.ask(&gone);
    let answered = answer(&gone, Says::Refused(Refusal::DeviceRevoked), 0, 0);
    assert_eq!(forge.tell(token, answered), Some(Law::NoLooseTalk), "nobody revoked it");
    let token = forge.ask(&gone);
    let refused = answer(&gone, Says::Refused(Refusal::UnknownItemOrPrice), 0, 0);
    assert_eq!(forge.tell(token, refused), None, "the old price is gone");
}

#[test]
fn l3_and_l6_a_log_that_lost_its_last_frame() {
    let mut forge = Forge::new();
    forge.opened();
    let last = *forge.laws.frames().last().unwrap();
    let zeros = vec![0; last.length];
    assert!(forge.disk.poke(&last.name(), last.offset, &zeros));
    assert_eq!(law(forge.laws.full_replay(&forge.disk.clone())), Some(Law::Replay));
    assert_eq!(law(forge.laws.reopened(&forge.disk.clone())), Some(Law::DurableBeforeTold));
}

/// A request by band 2, and the record of it as the wallet of band 1 would write it.
fn by_another_band(forge: &Forge, request: &Request, body: Body, postings: &[Posting]) -> Record {
    let mut record = forge.record(request, body, None, postings);
    record.envelope.wallet = Some(self::request(1, 1, Command::Balance).tag.number.as_wallet());
    record.envelope.tag = Some(request.tag.number);
    record
}

fn of_band_2(device: u32, counter: u64, command: Command) -> Request {
    let keys = fixture::keys();
    fixture::request(&keys, device, counter, fixture::tag(&keys, 2), command).unwrap()
}

/// Band 2 is given to the wallet of band 1, which takes it.
fn paired(forge: &mut Forge) {
    let open = forge.opened();
    let wallet = open.tag.number.as_wallet();
    let pair = of_band_2(4, 2, Command::Pair { wallet, replaces: None });
    forge.ask(&pair);
    let (tag, check) = (pair.tag.number, pair.tag.check);
    let body = Body::TagPaired { check, wallet, replaces: None };
    let mut given = forge.record(&pair, body, None, &[]);
    let message = Wire::Paired { festival: fixture::FESTIVAL, tag, check, wallet, replaces: None };
    let sent = Sent { to: ShardId(0), number: 1, message: message.clone() };
    given.envelope.mail = Some(Box::new(Mail { taken: None, sent: [sent].into_iter().collect() }));
    forge.write(&given).unwrap();
    let mut taken = forge.record(&pair, Body::Delivered { message }, None, &[]);
    let mail = Mail { taken: Some(Taken { from: ShardId(0), number: 1 }), ..Mail::default() };
    let mail = Some(Box::new(mail));
    let Envelope { configuration, catalogue, policy, .. } = taken.envelope;
    taken.envelope =
        Envelope { wallet: Some(wallet), mail, configuration, catalogue, policy, ..Envelope::default() };
    forge.write(&taken).unwrap();
}

#[test]
fn l13_a_wallet_acts_only_by_a_band_that_it_took() {
    // A stranger's band paid with a guest's money.
    let purchase = of_band_2(4, 3, Command::TopUp { tender: Tender::Cash, amount: 500 });
    let write = |forge: &mut Forge| {
        let wallet = request(1, 1, Command::Balance).tag.number.get();
        let postings = [
            Posting { account: Account::new(AccountKind::CashDrawer, 3, Currency::EUR), minor: 500 },
            Posting { account: Account::new(AccountKind::WalletPaid, wallet, Currency::EUR), minor: -500 },
        ];
        forge.ask(&purchase);
        let body = Body::ToppedUp { tender: Tender::Cash, amount: 500 };
        let record = by_another_band(forge, &purchase, body, &postings);
        law(forge.write(&record))
    };
    let mut forge = Forge::new();
    paired(&mut forge);
    assert_eq!(write(&mut forge), None, "it took this one");
    let mut forge = Forge::new();
    forge.opened();
    assert_eq!(write(&mut forge), Some(Law::Isolation));
}

#[test]
fn l4_an_id_that_came_by_a_band_is_answered_in_one_place() {
    let mut forge = Forge::new();
    paired(&mut forge);
    // The pairing's own id, closed a second time by the wallet.
    let cancel = of_band_2(4, 2, Command::Cancel);
    forge.ask(&cancel);
    let record = by_another_band(&forge, &cancel, Body::Burned { check: cancel.tag.check }, &[]);
    assert_eq!(law(forge.write(&record)), Some(Law::ExactlyOnce));
}
