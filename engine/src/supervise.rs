//! Supervision: one `ractor` actor per long-lived part owns a plain thread; a part that panics or
//! ends takes its group down, and the group is started anew after a pause. No data goes through
//! `ractor`. Five failures in a minute are for the process's manager to see.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};

use ledger::journal::Waker;

/// Says to a part that it is to end.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Whether the part is to end.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Tells whoever looks at it to end.
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// A part's body: runs until the stop is set. Any other end, good or bad, is a failure of its group.
pub type Body = Box<dyn FnOnce(&Stop) -> Result<(), String> + Send>;

/// A long-lived part: a thread's body, and how to wake it so that it sees a stop.
pub struct Part {
    /// Its name in logs and of its thread.
    pub name: String,
    /// What it does.
    pub run: Body,
    /// Wakes it.
    pub wake: Waker,
}

/// Makes the parts of a group: opens what they share, recovers, gives each its body.
pub type Starter = Arc<dyn Fn() -> Result<Vec<Part>, String> + Send + Sync>;

/// Parts that live and die together.
#[derive(Clone)]
pub struct Group {
    /// Its name in logs.
    pub name: String,
    /// Makes its parts, at the start and after each failure.
    pub start: Starter,
}

/// When a group is started anew, and when that is given up.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Pause after the first failure; doubled with each further one in the window.
    pub pause: Duration,
    /// As many failures within the window end the process.
    pub failures: usize,
    /// The window.
    pub window: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self { pause: Duration::from_millis(100), failures: 5, window: Duration::from_mins(1) }
    }
}

/// What happened to the parts, for logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// All parts of the group run.
    Started(String),
    /// A part of the group ended when it should not have.
    Failed {
        /// The group.
        group: String,
        /// What is known of it.
        cause: String,
    },
    /// Too many failures: the process is to end.
    GaveUp(String),
    /// All groups have ended as they were told to.
    Stopped,
}

/// A running supervisor. Dropping it does not stop what it supervises.
pub struct Supervised {
    root: ActorRef<Message>,
    done: Arc<(Mutex<bool>, Condvar)>,
}

impl Supervised {
    /// Tells every part to end, and waits until all have, at most so long. Whether all have: one that
    /// has not will not.
    pub fn stop(&self, patience: Duration) -> bool {
        // A supervisor that is gone has nothing left that runs.
        let _gone = self.root.cast(Message::Shutdown);
        let (done, ended) = &*self.done;
        let done = done.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = ended.wait_timeout_while(done, patience, |done| !*done);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Waits until everything has ended or was given up.
    pub fn wait(&self) {
        let (done, ended) = &*self.done;
        let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
        while !*done {
            done = ended.wait(done).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Starts `groups` under a supervisor with a small runtime of its own. `notice` hears what happens.
pub fn supervise(
    groups: Vec<Group>,
    policy: Policy,
    notice: Box<dyn Fn(&Notice) + Send + Sync>,
) -> std::io::Result<Supervised> {
    let done = Arc::new((Mutex::new(false), Condvar::new()));
    let (send, started) = crossbeam_channel::bounded(1);
    let signal = Arc::clone(&done);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    std::thread::Builder::new().name("supervisor".into()).spawn(move || {
        runtime.block_on(async {
            let arguments = Root::new(groups, policy, notice);
            if let Ok((root, ended)) = Actor::spawn(None, Supervisor, arguments).await {
                // Nobody listens any more only if the caller is gone.
                let _gone = send.send(root);
                let _ended = ended.await;
            }
        });
        *signal.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        signal.1.notify_all();
    })?;
    let root = started.recv().map_err(|_| std::io::Error::other("the supervisor did not start"))?;
    Ok(Supervised { root, done })
}

enum Message {
    Start(usize),
    Made(usize, Result<Vec<Part>, String>),
    Shutdown,
}

struct Supervisor;

/// What the root actor knows.
struct Root {
    groups: Vec<Running>,
    policy: Policy,
    notice: Box<dyn Fn(&Notice) + Send + Sync>,
    shutdown: bool,
}

struct Running {
    group: Group,
    stop: Stop,
    parts: HashMap<ActorId, (String, Waker)>,
    /// Its parts are being made, or will be after a pause.
    starting: bool,
    /// It failed: the pause after which it is to start again, once all its parts have ended.
    restart: Option<Duration>,
    failures: Vec<Instant>,
}

impl Root {
    fn new(groups: Vec<Group>, policy: Policy, notice: Box<dyn Fn(&Notice) + Send + Sync>) -> Self {
        let running = |group| Running {
            group,
            stop: Stop::default(),
            parts: HashMap::new(),
            starting: false,
            restart: None,
            failures: Vec::new(),
        };
        Self { groups: groups.into_iter().map(running).collect(), policy, notice, shutdown: false }
    }

    fn all_ended(&self) -> bool {
        self.groups.iter().all(|running| running.parts.is_empty() && !running.starting)
    }

    /// Counts a failure; returns the pause before the next start, or `None` to give up.
    fn failed(&mut self, index: usize, cause: &str) -> Option<Duration> {
        let running = &mut self.groups[index];
        let now = Instant::now();
        running.failures.retain(|earlier| now.duration_since(*earlier) < self.policy.window);
        running.failures.push(now);
        let group = running.group.name.clone();
        (self.notice)(&Notice::Failed { group: group.clone(), cause: cause.to_owned() });
        if running.failures.len() >= self.policy.failures {
            (self.notice)(&Notice::GaveUp(group));
            return None;
        }
        let doublings = u32::try_from(running.failures.len() - 1).unwrap_or(0);
        Some(self.policy.pause * 2_u32.saturating_pow(doublings))
    }
}

impl Running {
    fn stop_parts(&self) {
        self.stop.set();
        for (_, wake) in self.parts.values() {
            wake();
        }
    }
}

impl Actor for Supervisor {
    type Msg = Message;
    type State = Root;
    type Arguments = Root;

    async fn pre_start(&self, myself: ActorRef<Message>, root: Root) -> Result<Root, ActorProcessingErr> {
        for index in 0..root.groups.len() {
            myself.cast(Message::Start(index))?;
        }
        Ok(root)
    }

    async fn handle(
        &self,
        myself: ActorRef<Message>,
        message: Message,
        root: &mut Root,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Start(index) if root.shutdown => {
                root.groups[index].starting = false;
                finish(&myself, root);
            }
            Message::Start(index) => make(&myself, root, index)?,
            Message::Made(index, Ok(parts)) => start(&myself, root, index, parts).await?,
            Message::Made(index, Err(cause)) => retry(&myself, root, index, &cause),
            Message::Shutdown => {
                root.shutdown = true;
                root.groups.iter().for_each(Running::stop_parts);
                finish(&myself, root);
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Message>,
        event: SupervisionEvent,
        root: &mut Root,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(part, error) => {
                part_ended(&myself, root, part.get_id(), &error.to_string());
            }
            SupervisionEvent::ActorTerminated(part, _, _) => {
                part_ended(&myself, root, part.get_id(), "ended without being told to");
            }
            _ => {}
        }
        Ok(())
    }
}

/// Makes the parts of a group on a thread of its own: recovery may take long.
fn make(myself: &ActorRef<Message>, root: &mut Root, index: usize) -> Result<(), ActorProcessingErr> {
    let running = &mut root.groups[index];
    running.starting = true;
    running.stop = Stop::default();
    let start = Arc::clone(&running.group.start);
    let myself = myself.clone();
    std::thread::Builder::new().name(format!("start {}", running.group.name)).spawn(move || {
        let made = catch_unwind(AssertUnwindSafe(|| start()));
        let made = made.unwrap_or_else(|panic| Err(panic_text(&*panic)));
        // A supervisor that is gone starts nothing.
        let _gone = myself.cast(Message::Made(index, made));
    })?;
    Ok(())
}

async fn start(
    myself: &ActorRef<Message>,
    root: &mut Root,
    index: usize,
    parts: Vec<Part>,
) -> Result<(), ActorProcessingErr> {
    let running = &mut root.groups[index];
    running.starting = false;
    for part in parts {
        let known = (part.name.clone(), Arc::clone(&part.wake));
        let arguments = (part, running.stop.clone());
        let (actor, _) = Actor::spawn_linked(None, PartActor, arguments, myself.get_cell()).await?;
        running.parts.insert(actor.get_id(), known);
    }
    (root.notice)(&Notice::Started(running.group.name.clone()));
    if root.shutdown {
        running.stop_parts();
    }
    Ok(())
}

fn retry(myself: &ActorRef<Message>, root: &mut Root, index: usize, cause: &str) {
    root.groups[index].starting = false;
    if root.shutdown {
        return finish(myself, root);
    }
    if let Some(pause) = root.failed(index, cause) {
        root.groups[index].starting = true;
        myself.send_after(pause, move || Message::Start(index));
    } else {
        give_up(root);
        finish(myself, root);
    }
}

/// A part is gone: its group goes with it, and comes back when all of it has ended.
fn part_ended(myself: &ActorRef<Message>, root: &mut Root, id: ActorId, cause: &str) {
    let Some(index) = root.groups.iter().position(|running| running.parts.contains_key(&id)) else { return };
    let running = &mut root.groups[index];
    let name = running.parts.remove(&id).map(|(name, _)| name).unwrap_or_default();
    if !running.stop.is_set() {
        running.stop_parts();
        match root.failed(index, &format!("{name}: {cause}")) {
            Some(pause) => root.groups[index].restart = Some(pause),
            None => give_up(root),
        }
    }
    let running = &mut root.groups[index];
    if running.parts.is_empty()
        && !root.shutdown
        && let Some(pause) = running.restart.take()
    {
        running.starting = true;
        myself.send_after(pause, move || Message::Start(index));
    }
    finish(myself, root);
}

fn give_up(root: &mut Root) {
    root.shutdown = true;
    root.groups.iter().for_each(Running::stop_parts);
}

fn finish(myself: &ActorRef<Message>, root: &Root) {
    if root.shutdown && root.all_ended() {
        (root.notice)(&Notice::Stopped);
        myself.stop(None);
    }
}

/// The actor of one part.
struct PartActor;

/// How its thread ended.
struct Ended(Result<(), String>);

impl Actor for PartActor {
    type Msg = Ended;
    type State = ();
    type Arguments = (Part, Stop);

    async fn pre_start(
        &self,
        myself: ActorRef<Ended>,
        (part, stop): (Part, Stop),
    ) -> Result<(), ActorProcessingErr> {
        std::thread::Builder::new().name(part.name).spawn(move || {
            let ended = catch_unwind(AssertUnwindSafe(|| (part.run)(&stop)));
            let ended = ended.unwrap_or_else(|panic| Err(panic_text(&*panic)));
            // A supervisor that is gone has nothing to restart.
            let _gone = myself.cast(Ended(ended));
        })?;
        Ok(())
    }

    async fn handle(
        &self,
        myself: ActorRef<Ended>,
        Ended(ended): Ended,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        match ended {
            Ok(()) => {
                myself.stop(None);
                Ok(())
            }
            Err(cause) => Err(cause.into()),
        }
    }
}

/// What a panic said.
fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("panicked: {}", text.unwrap_or_else(|| "without a message".to_owned()))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// Groups whose parts fail as scripted: what is heard of it, in order.
    fn run(script: Vec<Result<(), &'static str>>, policy: Policy) -> Vec<Notice> {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let scripted = script.len();
        let (log, starts) = (Arc::clone(&heard), Arc::new(AtomicUsize::new(0)));
        let start: Starter = Arc::new(move || {
            let ended = script.get(starts.fetch_add(1, Ordering::SeqCst)).copied();
            let failing = Part {
                name: "failing".into(),
                run: Box::new(move |stop| match ended {
                    Some(Err("panic")) => panic!("as scripted"),
                    Some(ended) => ended.map_err(str::to_owned),
                    None => {
                        while !stop.is_set() {
                            std::thread::yield_now();
                        }
                        Ok(())
                    }
                }),
                wake: Arc::new(|| {}),
            };
            Ok(vec![failing])
        });
        let group = Group { name: "data".into(), start };
        let (ready, running) = crossbeam_channel::unbounded();
        let notice = Box::new(move |notice: &Notice| {
            log.lock().unwrap().push(notice.clone());
            let _gone = ready.send(notice.clone());
        });
        let supervised = supervise(vec![group], policy, notice).unwrap();
        let mut failures = 0;
        while let Ok(notice) = running.recv() {
            failures += usize::from(matches!(notice, Notice::Failed { .. }));
            let recovered = matches!(notice, Notice::Started(_)) && failures == scripted;
            if recovered || matches!(notice, Notice::GaveUp(_)) {
                break;
            }
        }
        assert!(supervised.stop(Duration::from_mins(1)));
        supervised.wait();
        heard.lock().unwrap().clone()
    }

    fn quick() -> Policy {
        Policy { pause: Duration::from_millis(1), ..Policy::default() }
    }

    #[test]
    fn a_part_that_panics_fails_or_ends_comes_back() {
        let heard = run(vec![Err("panic"), Err("broke"), Ok(())], quick());
        let causes: Vec<_> = heard
            .iter()
            .filter_map(|notice| match notice {
                Notice::Failed { cause, .. } => Some(cause.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(
            causes,
            ["failing: panicked: as scripted", "failing: broke", "failing: ended without being told to"]
        );
        assert_eq!(heard.last(), Some(&Notice::Stopped));
    }

    #[test]
    fn a_part_that_hangs_is_waited_for_no_longer_than_that() {
        // A server that was told to stop, hung, and kept its ledger locked until somebody came.
        let (hold, held) = crossbeam_channel::bounded::<()>(0);
        let start: Starter = Arc::new(move || {
            let held = held.clone();
            let run: Body = Box::new(move |_stop| {
                let _until_let_go = held.recv();
                Ok(())
            });
            Ok(vec![Part { name: "hanging".into(), run, wake: Arc::new(|| {}) }])
        });
        let (ready, running) = crossbeam_channel::unbounded();
        let notice = Box::new(move |notice: &Notice| ready.send(notice.clone()).unwrap_or_default());
        let group = Group { name: "data".into(), start };
        let supervised = supervise(vec![group], quick(), notice).unwrap();
        assert_eq!(running.recv(), Ok(Notice::Started("data".into())));
        assert!(!supervised.stop(Duration::from_millis(1)));
        drop(hold);
        assert!(supervised.stop(Duration::from_mins(1)));
    }

    #[test]
    fn five_failures_in_a_minute_are_given_up() {
        let heard = run(vec![Err("broke"); 9], quick());
        let failures = heard.iter().filter(|notice| matches!(notice, Notice::Failed { .. })).count();
        assert!(heard.contains(&Notice::GaveUp("data".into())));
        assert_eq!(failures, 5);
    }
}
