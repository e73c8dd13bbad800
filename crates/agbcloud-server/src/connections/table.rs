//! The connections of one listener: how many there are, whose they are, and which one waits for the longest.
//!
//! A connection is *idle* until the head of its first request is complete, and again between an answer and the head of
//! the next request. When there is no room for a new connection, the one that has been idle for the longest is closed. One
//! with a request under way never is.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

/// What the connections of a listener share.
pub(super) struct Table {
    max: usize,
    per_address: PerAddress,
    state: Mutex<State>,
    /// A connection has ended or become idle.
    changed: Notify,
}

/// How many connections one client address may have.
#[derive(Debug, Clone, Copy)]
pub(super) enum PerAddress {
    /// At most this number, whatever the address.
    All(usize),
    /// At most this number. A loopback address may have any number: it is a reverse proxy, or a program on the same host.
    Remote(usize),
}

#[derive(Default)]
struct State {
    /// Counts up with each connection that becomes idle or is accepted.
    clock: u64,
    slots: HashMap<u64, Entry>,
    /// Idle connections in the order in which they became idle.
    idle: BTreeMap<u64, u64>,
    addresses: HashMap<IpAddr, Address>,
    /// Connections that are being closed to make room.
    evicting: usize,
}

#[derive(Default)]
struct Address {
    connections: usize,
    idle: BTreeSet<(u64, u64)>,
    evicting: usize,
}

struct Entry {
    address: IpAddr,
    phase: Phase,
    signal: watch::Sender<Signal>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Busy,
    IdleSince(u64),
    Evicted,
}

/// What the task of a connection has to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// Nothing: other limits apply.
    Go,
    /// It was answered without a valid key or URL, and is idle.
    Unknown,
    /// It is to be closed.
    Evicted,
}

/// What becomes of a new connection.
pub(super) enum Entered {
    Accepted(Arc<Slot>),
    /// Its address has as many connections as it may, all of them busy.
    Refused,
    /// There may be room when the table has changed.
    Full,
}

/// The place of one connection, given back when this is dropped.
pub(super) struct Slot {
    table: Arc<Table>,
    id: u64,
    signal: watch::Receiver<Signal>,
    /// The answer is complete and may not be sent yet.
    answered: AtomicBool,
}

impl Table {
    pub(super) fn new(max: usize, per_address: PerAddress) -> Arc<Self> {
        Arc::new(Self {
            max,
            per_address,
            state: Mutex::default(),
            changed: Notify::new(),
        })
    }

    /// Makes a place for a connection from this address, if there is room. If there is none, the connection that
    /// has been idle for the longest is closed.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Entered {
        let max = self.per_address.of(address);
        let address = client(address);
        let mut state = self.lock();
        if let Some(own) = state.addresses.get(&address)
            && own.connections >= max
        {
            if own.evicting == 0 {
                let Some((_, oldest)) = own.idle.first().copied() else {
                    return Entered::Refused;
                };
                state.evict(oldest);
            }
            return Entered::Full;
        }
        if state.slots.len() >= self.max {
            if state.evicting == 0 {
                state.evict_oldest();
            }
            return Entered::Full;
        }
        Entered::Accepted(self.slot(&mut state, address))
    }

    fn slot(self: &Arc<Self>, state: &mut State, address: IpAddr) -> Arc<Slot> {
        let id = state.tick();
        let (signal, signals) = watch::channel(Signal::Go);
        let entry = Entry {
            address,
            phase: Phase::Busy,
            signal,
        };
        state.slots.insert(id, entry);
        state.addresses.entry(address).or_default().connections += 1;
        state.become_idle(id);
        Arc::new(Slot {
            table: self.clone(),
            id,
            signal: signals,
            answered: AtomicBool::new(false),
        })
    }

    /// Closes the connection that has been idle for the longest, because something else has run out.
    pub(super) fn make_room(&self) {
        self.lock().evict_oldest();
    }

    /// Waits until there may be room where there was none.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn become_idle(&mut self, id: u64) {
        let since = self.tick();
        let Some(entry) = self.slots.get_mut(&id) else {
            return;
        };
        if entry.phase != Phase::Busy {
            return;
        }
        entry.phase = Phase::IdleSince(since);
        self.idle.insert(since, id);
        if let Some(address) = self.addresses.get_mut(&entry.address) {
            address.idle.insert((since, id));
        }
    }

    /// Sets the phase of a connection, and takes it off the idle ones. Returns whether it was idle.
    fn end_idle(&mut self, id: u64, phase: Phase) -> bool {
        let Some(entry) = self.slots.get_mut(&id) else {
            return false;
        };
        let Phase::IdleSince(since) = entry.phase else {
            return false;
        };
        entry.phase = phase;
        self.idle.remove(&since);
        if let Some(address) = self.addresses.get_mut(&entry.address) {
            address.idle.remove(&(since, id));
        }
        true
    }

    fn evict(&mut self, id: u64) -> bool {
        if !self.end_idle(id, Phase::Evicted) {
            return false;
        }
        self.evicting += 1;
        if let Some(entry) = self.slots.get(&id) {
            if let Some(address) = self.addresses.get_mut(&entry.address) {
                address.evicting += 1;
            }
            entry.signal.send_replace(Signal::Evicted);
        }
        true
    }

    fn evict_oldest(&mut self) {
        if let Some((_, id)) = self.idle.first_key_value() {
            self.evict(*id);
        }
    }
}

impl Slot {
    /// Notes that the head of a request has come. False if the connection is being closed: the request must not be
    /// carried out then.
    pub(super) fn begin(&self) -> bool {
        let mut state = self.table.lock();
        self.answered.store(false, Ordering::Relaxed);
        let Some(entry) = state.slots.get(&self.id) else {
            return false;
        };
        if entry.phase == Phase::Evicted {
            return false;
        }
        entry.signal.send_if_modified(|signal| {
            let modified = *signal != Signal::Go;
            *signal = Signal::Go;
            modified
        });
        state.end_idle(self.id, Phase::Busy);
        true
    }

    /// Notes that the answer is complete. The connection is idle once it is sent; who gave no valid key or URL is not
    /// waited for.
    pub(super) fn answered(&self, known: bool) {
        if known {
            self.answered.store(true, Ordering::Relaxed);
            return;
        }
        let mut state = self.table.lock();
        state.become_idle(self.id);
        if let Some(entry) = state.slots.get(&self.id) {
            entry.signal.send_if_modified(|signal| {
                let modified = *signal == Signal::Go;
                if modified {
                    *signal = Signal::Unknown;
                }
                modified
            });
        }
        drop(state);
        self.table.changed.notify_one();
    }

    /// Notes that all that was written is sent.
    pub(super) fn flushed(&self) {
        if self.answered.swap(false, Ordering::Relaxed) {
            self.table.lock().become_idle(self.id);
            self.table.changed.notify_one();
        }
    }

    /// What the task of the connection has to know, now and later.
    pub(super) fn signals(&self) -> watch::Receiver<Signal> {
        self.signal.clone()
    }

    /// Closes the connection if it is idle. Returns whether it is closed.
    pub(super) fn give_up(&self) -> bool {
        self.table.lock().evict(self.id)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.table.lock();
        state.end_idle(self.id, Phase::Busy);
        if let Some(entry) = state.slots.remove(&self.id) {
            let evicted = usize::from(entry.phase == Phase::Evicted);
            state.evicting -= evicted;
            if let Some(address) = state.addresses.get_mut(&entry.address) {
                address.evicting -= evicted;
                address.connections -= 1;
                if address.connections == 0 {
                    state.addresses.remove(&entry.address);
                }
            }
        }
        drop(state);
        self.table.changed.notify_one();
    }
}

impl PerAddress {
    fn of(self, address: IpAddr) -> usize {
        match self {
            Self::All(max) => max,
            Self::Remote(_) if address.to_canonical().is_loopback() => usize::MAX,
            Self::Remote(max) => max,
        }
    }
}

/// What counts as one client: an IPv4 address, or the 64 bits of an IPv6 address that a provider assigns.
fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    impl Slot {
        fn is_evicted(&self) -> bool {
            *self.signal.borrow() == Signal::Evicted
        }
    }

    fn accepted(table: &Arc<Table>, address: IpAddr) -> Arc<Slot> {
        match table.enter(address) {
            Entered::Accepted(slot) => slot,
            Entered::Refused => panic!("refused"),
            Entered::Full => panic!("full"),
        }
    }

    fn is_full(table: &Arc<Table>, address: IpAddr) -> bool {
        matches!(table.enter(address), Entered::Full)
    }

    fn is_refused(table: &Arc<Table>, address: IpAddr) -> bool {
        matches!(table.enter(address), Entered::Refused)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_one_that_was_idle_for_the_longest_makes_room_and_no_busy_one() {
        let table = Table::new(3, PerAddress::Remote(3));
        let slots = [HERE; 3].map(|address| accepted(&table, address));
        // The first is busy, and the third has been idle for longer than the second.
        assert!(slots[0].begin() && slots[1].begin());
        slots[1].answered(true);
        slots[1].flushed();
        assert!(is_full(&table, HERE));
        let evicted = || slots.each_ref().map(|slot| slot.is_evicted());
        assert_eq!(evicted(), [false, false, true]);
        // One is enough, and what was closed takes no request.
        assert!(is_full(&table, HERE));
        assert_eq!(evicted(), [false, false, true]);
        assert!(!slots[2].begin() && slots[1].begin());
        let [first, _second, third] = slots;
        drop(third);
        let fourth = accepted(&table, HERE);
        fourth.begin();
        assert!(is_full(&table, HERE));
        assert!(!first.is_evicted() && !fourth.is_evicted());
        drop(first);
        accepted(&table, HERE);
    }

    #[test]
    fn an_answer_that_is_not_sent_yet_is_not_cut_unless_nobody_is_known_to_wait_for_it() {
        let table = Table::new(1, PerAddress::Remote(1));
        let slot = accepted(&table, HERE);
        slot.begin();
        slot.answered(true);
        assert!(is_full(&table, HERE) && !slot.is_evicted() && !slot.give_up());
        slot.flushed();
        assert!(is_full(&table, HERE) && slot.is_evicted());
        drop(slot);
        let slot = accepted(&table, HERE);
        slot.begin();
        slot.answered(false);
        assert_eq!(*slot.signals().borrow(), Signal::Unknown);
        // The next request may bring a key.
        assert!(slot.begin() && *slot.signals().borrow() == Signal::Go);
        slot.answered(false);
        assert!(is_full(&table, HERE) && slot.is_evicted());
    }

    #[test]
    fn an_address_has_a_share() {
        let table = Table::new(10, PerAddress::Remote(2));
        let (one, other) = (address("192.0.2.1"), address("192.0.2.2"));
        let slots = [one; 2].map(|address| accepted(&table, address));
        let _others = [other; 2].map(|address| accepted(&table, address));
        // Its own idle connections make room for it, and those of nobody else.
        assert!(slots[0].begin());
        assert!(is_full(&table, one) && slots[1].is_evicted());
        let [busy, evicted] = slots;
        drop(evicted);
        let second = accepted(&table, one);
        second.begin();
        assert!(is_refused(&table, one));
        drop(busy);
        accepted(&table, one);
        // A proxy on the same host is not limited, unless that was asked for.
        let _all = [HERE; 6].map(|address| accepted(&table, address));
        let limited = Table::new(10, PerAddress::All(1));
        let slot = accepted(&limited, HERE);
        slot.begin();
        assert!(is_refused(&limited, HERE));
    }

    #[test]
    fn an_address_of_ipv6_is_its_network_and_one_of_ipv4_is_itself_however_it_is_written() {
        assert_eq!(
            client(address("2001:db8::1")),
            client(address("2001:db8::2:3"))
        );
        assert_ne!(
            client(address("2001:db8::1")),
            client(address("2001:db8:0:1::1"))
        );
        assert_eq!(client(address("::ffff:192.0.2.1")), address("192.0.2.1"));
        assert_ne!(client(address("192.0.2.1")), client(address("192.0.2.2")));
        assert_eq!(
            PerAddress::Remote(1).of(address("::ffff:127.0.0.1")),
            usize::MAX
        );
        assert_eq!(PerAddress::Remote(1).of(address("::1")), usize::MAX);
    }

    #[test]
    fn who_has_left_takes_no_memory() {
        let table = Table::new(2, PerAddress::Remote(2));
        let slots = [HERE, address("192.0.2.1")].map(|address| accepted(&table, address));
        assert!(is_full(&table, HERE));
        drop(slots);
        let state = table.lock();
        assert!(state.slots.is_empty() && state.idle.is_empty() && state.addresses.is_empty());
        assert_eq!(state.evicting, 0);
    }
}
